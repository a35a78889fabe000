#include <coproc/pool.hpp>

#include "loop/also_cancelled_by.hpp"
#include "pool/pool_state.hpp"

#include <coproc/run.hpp>

#include <asio/cancellation_signal.hpp>
#include <asio/cancellation_state.hpp>
#include <asio/error.hpp>
#include <asio/this_coro.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace coproc {

// ---- options

namespace {

template <class T>
T positive(T value, const char* what) {
  if (value <= T()) throw std::invalid_argument(std::string(what) + " must be positive");
  return value;
}

/// No Linux has more (PID_MAX_LIMIT): a pool of that size is one without a limit.
constexpr std::size_t most_processes = std::size_t(1) << 22;

/// A negative number that was given for a count arrives as a huge one.
std::size_t positive(std::size_t value, const char* what) {
  return static_cast<std::size_t>(positive(static_cast<std::ptrdiff_t>(value), what));
}

} // namespace

pool_options& pool_options::size(std::size_t slots) & {
  positive(slots, "pool_options::size");
  size_ = std::min(slots, most_processes);
  return *this;
}
pool_options& pool_options::method(start_method how) & {
  method_ = how;
  return *this;
}
pool_options& pool_options::max_tasks_per_child(std::size_t tasks) & {
  max_tasks_ = positive(tasks, "pool_options::max_tasks_per_child");
  return *this;
}
pool_options& pool_options::max_rss(std::size_t bytes) & {
  max_rss_ = positive(bytes, "pool_options::max_rss");
  return *this;
}
pool_options& pool_options::max_pending(std::size_t tasks) & {
  max_pending_ = positive(tasks, "pool_options::max_pending");
  return *this;
}
pool_options& pool_options::task_timeout(duration limit) & {
  task_timeout_ = positive(limit, "pool_options::task_timeout");
  return *this;
}
pool_options& pool_options::retries(int times) & {
  if (times < 0) throw std::invalid_argument("pool_options::retries must not be negative");
  retries_ = times;
  return *this;
}
pool_options& pool_options::on_progress(std::function<void(progress)> report) & {
  report_ = std::move(report);
  return *this;
}

map_options& map_options::chunk_size(std::size_t items) & {
  chunk_ = positive(items, "map_options::chunk_size");
  return *this;
}
map_options& map_options::window(std::size_t items) & {
  window_ = positive(items, "map_options::window");
  return *this;
}
map_options& map_options::on_progress(std::function<void(progress)> report) & {
  report_ = std::move(report);
  return *this;
}

// ---- exceptions

worker_died::worker_died(const std::string& what, exit_status end) : error(what), status(end) {}
pool_closed::pool_closed() : error("pool: it is closed, and takes no more tasks") {}
pool_terminated::pool_terminated() : error("pool: it was terminated before the task was finished") {}

// ---- the pool

namespace detail {
namespace {

/// A program in one of the slots.
class pool_program final : public pool_owner {
public:
  explicit pool_program() : pool_owner(1, 0, message()) { is_operation = true; }

  bool ended = false; ///< Settled without having been run.
  std::exception_ptr error;
  std::optional<suspension<bool>> waiter;
  asio::cancellation_signal stop_signal;
  bool stopped = false;
  std::function<bool()> stops_already; ///< Whether its caller's cancellation stops it.

  void begin() override {
    began = true;
    if (waiter) std::exchange(waiter, std::nullopt)->complete(true);
  }
  void stop() override {
    stopped = true;
    // A second request would be taken for impatience: what the caller's has begun goes on.
    if (stops_already && stops_already()) return;
    stop_signal.emit(asio::cancellation_type::terminal);
  }
  bool began = false;

private:
  void delivered(std::uint32_t, std::uint32_t, std::span<const std::byte>, message*) override {}
  void failed(std::uint32_t, std::uint32_t, const std::exception_ptr& why) override {
    ended = true;
    error = why;
    if (waiter) std::exchange(waiter, std::nullopt)->complete(false);
  }
  void dropped() noexcept override { waiter.reset(); }
};

asio::awaitable<completed> run_program(std::shared_ptr<pool_state> pool, command program) {
  asio::any_io_executor executor = co_await asio::this_coro::executor;
  pool->check_use(executor);
  pool->require_open();
  const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
  const cancellation_watch watch(state);
  auto owner = std::make_shared<pool_program>();
  pool->submit(owner, 1, pool_policy::unit_kind::program);
  if (!owner->began && !owner->ended) {
    auto wait = [owner, pool](suspension<bool> waiter) {
      waiter.on_cancellation(owner, [weak = std::weak_ptr<pool_state>(pool)](pool_program& self,
                                                                             asio::cancellation_type_t type) {
        auto alive = weak.lock();
        if (alive && type != asio::cancellation_type::none && !self.began)
          alive->cancel(self, pool_policy::verdict::cancelled);
      });
      owner->waiter.emplace(std::move(waiter));
    };
    co_await suspend<bool>(std::move(wait));
  }
  if (owner->error) std::rethrow_exception(owner->error);

  struct slot {
    std::shared_ptr<pool_state> pool;
    std::shared_ptr<pool_program> owner;
    pool_policy::program_result how = pool_policy::program_result::failed;
    ~slot() { pool->program_ended(*owner, how); }
  } held{pool, owner};
  if (owner->stopped) std::rethrow_exception(pool->end_of_operation());
  if (watch.cancelled()) { // after its turn had come
    held.how = pool_policy::program_result::cancelled;
    throw std::system_error(asio::error::operation_aborted);
  }

  owner->stops_already = [watch, state] {
    const auto terminal = state.cancelled() & asio::cancellation_type::terminal;
    return watch.cancelled() && terminal != asio::cancellation_type::none;
  };
  // Both the caller's cancellation and terminate() stop it.
  std::shared_ptr<asio::cancellation_signal> stop(owner, &owner->stop_signal);
  try {
    completed result = co_await also_cancelled_by(std::move(stop), coproc::run(std::move(program)));
    held.how = pool_policy::program_result::succeeded;
    co_return result;
  } catch (const std::system_error& error) {
    if (error.code() == asio::error::operation_aborted) {
      held.how = pool_policy::program_result::cancelled;
      if (owner->stopped) std::rethrow_exception(pool->end_of_operation());
    }
    throw;
  }
}

} // namespace
} // namespace detail

pool::pool(asio::any_io_executor executor, std::size_t size)
    : pool(std::move(executor), pool_options().size(size)) {}

pool::pool(asio::any_io_executor executor, pool_options options)
    : state_(std::make_shared<detail::pool_state>(std::move(executor), options)) {}

pool& pool::operator=(pool&& other) noexcept {
  if (this != &other) {
    if (state_) state_->abandon();
    state_ = std::move(other.state_);
  }
  return *this;
}

pool::~pool() {
  if (state_) state_->abandon();
}

const std::shared_ptr<detail::pool_state>& pool::shared_state() const {
  if (!state_) throw std::logic_error("pool: it was moved from");
  return state_;
}

asio::awaitable<completed> pool::run(coproc::command program) {
  return detail::run_program(shared_state(), std::move(program));
}

void pool::close() { state().close(); }
void pool::terminate() { state().terminate(); }
asio::awaitable<void> pool::join() { return detail::pool_state::join(shared_state()); }
pool_stats pool::stats() const { return state().stats(); }

} // namespace coproc
