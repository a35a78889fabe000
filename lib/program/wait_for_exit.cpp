#include "program/wait_for_exit.hpp"

#include "loop/suspension.hpp"

#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>

#include <chrono>
#include <utility>

namespace coproc::detail {

namespace {

using maybe_status = std::optional<exit_status>;

/// One coroutine that waits for the end of a child, or for so long. The child's mutex guards it.
class exit_waiter final : public exit_observer, public std::enable_shared_from_this<exit_waiter> {
public:
  explicit exit_waiter(std::shared_ptr<child_state> child) : child_(std::move(child)) {}

  /// Must not throw: it runs inside of an Asio initiation.
  void start(suspension<maybe_status> waiter, std::optional<duration> limit) {
    child_lock lock(child_->mutex());
    waiter_.emplace(std::move(waiter));
    try {
      wait(limit);
    } catch (...) {
      complete(std::current_exception(), std::nullopt);
    }
  }

private:
  void wait(std::optional<duration> limit) {
    waiter_->on_cancellation(shared_from_this(), [](exit_waiter& self, asio::cancellation_type_t type) {
      if (type != asio::cancellation_type::none) self.complete(aborted(), std::nullopt);
    });
    if (!child_->add_observer(shared_from_this())) return on_exit();
    if (!limit) return;
    timer_.emplace(waiter_->executor(), after(std::chrono::steady_clock::now(), *limit));
    timer_->async_wait([self = shared_from_this()](const asio::error_code& error) {
      if (!error) self->complete(nullptr, std::nullopt);
    });
  }

  void on_exit() override { complete(nullptr, child_->record()->status); }
  void on_abandoned() override { complete(aborted(), std::nullopt); }
  void on_unwatched(std::exception_ptr why) override { complete(std::move(why), std::nullopt); }

  /// For what comes first: the end, the limit, a cancellation, the loss of the handle.
  void complete(std::exception_ptr error, maybe_status status) {
    child_lock lock(child_->mutex());
    if (!waiter_) return;
    timer_.reset();
    child_->remove_observer(*this);
    suspension<maybe_status> waiter = std::move(*waiter_);
    waiter_.reset();
    if (error)
      waiter.fail(std::move(error));
    else
      waiter.complete(std::move(status));
  }

  const std::shared_ptr<child_state> child_;
  std::optional<suspension<maybe_status>> waiter_;
  std::optional<asio::steady_timer> timer_;
};

asio::awaitable<maybe_status> suspend_until_exit(std::shared_ptr<child_state> state,
                                                 std::optional<duration> limit) {
  auto operation = std::make_shared<exit_waiter>(std::move(state));
  return suspend<maybe_status>([operation = std::move(operation), limit](suspension<maybe_status> waiter) {
    operation->start(std::move(waiter), limit);
  });
}

} // namespace

asio::awaitable<maybe_status> wait_for_exit(std::shared_ptr<child_state> state,
                                            std::optional<duration> limit) {
  asio::any_io_executor executor = co_await asio::this_coro::executor;
  state->check_use(executor);
  bool over = limit && *limit <= duration::zero();
  // Whoever waits learns of the end from the loop; a look here would be a system call more for each child.
  std::optional<os::exit_record> record = over ? state->look() : state->record();
  if (record || over) {
    if (state->breathing.due()) co_await pass_through_loop();
    if (record) co_return record->status;
    co_return std::nullopt;
  }
  co_return co_await suspend_until_exit(std::move(state), limit);
}

} // namespace coproc::detail
