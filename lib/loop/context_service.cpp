#include "loop/context_service.hpp"

#include "os/fork.hpp"
#include "os/reap.hpp"
#include "os/reaper.hpp"

#include <asio/error.hpp>
#include <asio/execution/context.hpp>
#include <asio/post.hpp>
#include <asio/query.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace coproc::detail {

asio::execution_context::id context_service::id;

asio::execution_context& context_of(const asio::any_io_executor& executor) {
  return asio::query(executor, asio::execution::context);
}

context_object::~context_object() {
  if (service_) service_->remove(*this);
}

void context_object::bind(const asio::any_io_executor& executor, const char* what) {
  os::reap_orphans();
  asio::execution_context& context = context_of(executor);
  // A new context can have the address of one that has ended.
  if (context_ && (context_ != &context || !service_))
    throw std::logic_error(std::string(what) +
                           " is used on another execution context than the one it is bound to");
  if (context_) return;
  context_service& service = context_service::of(executor);
  context_ = &context;
  service.add(*this);
}

bool context_object::is_bound_to(const asio::any_io_executor& executor) const {
  return service_ && context_ == &context_of(executor);
}

context_service& context_service::of(const asio::any_io_executor& executor) {
  os::reap_orphans();
  return asio::use_service<context_service>(context_of(executor));
}

void context_service::add(context_object& object) noexcept {
  std::lock_guard lock(mutex_);
  object.service_ = this;
  object.previous_ = nullptr;
  object.next_ = first_;
  if (first_) first_->previous_ = &object;
  first_ = &object;
}

void context_service::remove(context_object& object) noexcept {
  std::lock_guard lock(mutex_);
  if (!object.service_) return;
  (object.previous_ ? object.previous_->next_ : first_) = object.next_;
  if (object.next_) object.next_->previous_ = object.previous_;
  object.service_ = nullptr;
}

void context_service::shutdown() noexcept {
  // One at a time: what an object lets go of can destroy others.
  while (context_object* object = first_) {
    remove(*object);
    object->shutdown();
  }
}

void context_service::notify_fork(asio::execution_context::fork_event event) {
  if (event != asio::execution_context::fork_child || os::is_forked_child()) return;
  for (context_object* object = first_; object; object = object->next_) object->forked();
}

namespace {

/// Follows one dropped child, which has been killed, until it is reaped: by looking, since most have ended at
/// the first or the second look. The pending handler owns it, so the end of the context destroys it.
class reap_operation : public std::enable_shared_from_this<reap_operation> {
public:
  explicit reap_operation(const asio::any_io_executor& executor) : timer_(executor) {}
  reap_operation(const reap_operation&) = delete;
  ~reap_operation() {
    if (child_.pid > 0) os::reap_later(std::move(child_));
  }

  void take(os::launched& child) noexcept { child_ = std::exchange(child, {}); }

  void look() {
    if (os::try_reap(child_.pid, child_.pidfd.get())) {
      child_.pid = -1;
    } else if (clock::now() < give_up_at_) {
      timer_.expires_after(delay_);
      delay_ = std::min(delay_ * 2, clock::duration(std::chrono::milliseconds(50)));
      // From here on it belongs to the handler, which another thread may run at once.
      timer_.async_wait([self = shared_from_this()](const asio::error_code& error) {
        if (!error) self->look();
      });
    }
  }

private:
  using clock = std::chrono::steady_clock;

  os::launched child_;
  asio::steady_timer timer_;
  clock::duration delay_ = std::chrono::microseconds(200);
  const clock::time_point give_up_at_ = clock::now() + std::chrono::seconds(1);
};

} // namespace

void context_service::reap(const asio::any_io_executor& executor, os::launched child) noexcept {
  try {
    auto operation = std::make_shared<reap_operation>(executor);
    operation->take(child);
    operation->look();
  } catch (...) {
    // What had been taken by then is passed on by the end of the operation.
    if (child.pid > 0) os::reap_later(std::move(child));
  }
}

void cancellation_watch::throw_if_cancelled() const {
  if (cancelled()) throw std::system_error(asio::error::operation_aborted);
}

asio::awaitable<void> pass_through_loop() {
  const cancellation_watch watch(co_await asio::this_coro::cancellation_state);
  co_await asio::post(asio::use_awaitable);
  watch.throw_if_cancelled();
}

} // namespace coproc::detail
