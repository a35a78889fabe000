#include <coproc/semaphore.hpp>

#include "loop/context_service.hpp"
#include "loop/suspension.hpp"

#include <asio/this_coro.hpp>

#include <algorithm>
#include <list>
#include <stdexcept>

namespace coproc {

namespace detail {

class semaphore_state final : public context_object, public std::enable_shared_from_this<semaphore_state> {
public:
  explicit semaphore_state(std::size_t permits) : available_(permits) {}

  std::size_t available() const noexcept { return available_; }

  std::optional<permit> try_take() {
    if (available_ == 0) return std::nullopt;
    --available_;
    return permit(shared_from_this());
  }

  /// A permit comes back: to who waited longest, or to the pool.
  void put_back() noexcept {
    if (waiters_.empty()) {
      ++available_;
      return;
    }
    suspension<permit> next = std::move(*waiters_.front()->waiter);
    waiters_.pop_front();
    next.complete(permit(shared_from_this()));
  }

  static asio::awaitable<permit> acquire(std::shared_ptr<semaphore_state> state);

  /// The semaphore is gone; permits are not.
  void abandon() noexcept {
    abandoned_ = true; // for those that have not begun to wait
    auto waiters = std::exchange(waiters_, {});
    for (const auto& waiting : waiters) waiting->waiter->fail(aborted());
  }

private:
  struct entry {
    std::optional<suspension<permit>> waiter;
  };
  using line = std::list<std::shared_ptr<entry>>;

  void shutdown() noexcept override { std::exchange(waiters_, {}); }

  /// @param place of its own, so far.
  void enqueue(line place, suspension<permit> waiter) noexcept {
    const std::shared_ptr<entry> added = place.front();
    added->waiter.emplace(std::move(waiter));
    try {
      added->waiter->on_cancellation(
          added, [weak = weak_from_this()](entry& waiting, asio::cancellation_type_t type) {
            auto self = weak.lock();
            if (self && type != asio::cancellation_type::none) self->cancel(waiting);
          });
    } catch (...) {
      return added->waiter->fail(std::current_exception());
    }
    waiters_.splice(waiters_.end(), place);
  }

  void cancel(entry& waiting) {
    auto at = std::find_if(waiters_.begin(), waiters_.end(),
                           [&](const auto& other) { return other.get() == &waiting; });
    if (at == waiters_.end()) return; // it has its permit already
    auto keep = *at;
    waiters_.erase(at);
    keep->waiter->fail(aborted());
  }

  std::size_t available_;
  bool abandoned_ = false;
  line waiters_;
  breather breathing_;
};

asio::awaitable<permit> semaphore_state::acquire(std::shared_ptr<semaphore_state> state) {
  asio::any_io_executor executor = co_await asio::this_coro::executor;
  state->bind(executor, "semaphore");
  if (state->abandoned_) std::rethrow_exception(aborted());
  if (std::optional<permit> free = state->try_take()) {
    // After it has been served: others would be before it otherwise.
    if (state->breathing_.due()) co_await pass_through_loop();
    co_return std::move(*free);
  }
  // Made here: what is thrown once the coroutine is suspended has nobody to catch it.
  line place;
  place.push_back(std::make_shared<entry>());
  // Named, since g++ 12 destroys a closure twice that is a temporary in a co_await expression.
  auto enqueue = [state, place = std::move(place)](suspension<permit> waiter) mutable {
    state->enqueue(std::move(place), std::move(waiter));
  };
  co_return co_await suspend<permit>(std::move(enqueue));
}

} // namespace detail

permit& permit::operator=(permit&& other) noexcept {
  if (this != &other) {
    release();
    state_ = std::move(other.state_);
  }
  return *this;
}

permit::~permit() { release(); }

void permit::release() noexcept {
  if (auto state = std::exchange(state_, nullptr)) state->put_back();
}

namespace {

const std::shared_ptr<detail::semaphore_state>&
require(const std::shared_ptr<detail::semaphore_state>& state) {
  if (!state) throw std::logic_error("semaphore: it was moved from");
  return state;
}

} // namespace

semaphore::semaphore(std::size_t permits) : state_(std::make_shared<detail::semaphore_state>(permits)) {}

semaphore& semaphore::operator=(semaphore&& other) noexcept {
  if (this != &other) {
    if (state_) state_->abandon();
    state_ = std::move(other.state_);
  }
  return *this;
}

semaphore::~semaphore() {
  if (state_) state_->abandon();
}

asio::awaitable<permit> semaphore::acquire() { return detail::semaphore_state::acquire(require(state_)); }
std::optional<permit> semaphore::try_acquire() { return require(state_)->try_take(); }
std::size_t semaphore::available() const { return require(state_)->available(); }

} // namespace coproc
