#pragma once

#include <coproc/detail/pool_core.hpp>
#include <coproc/duration.hpp>
#include <coproc/wire.hpp>

#include <asio/awaitable.hpp>

#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace coproc {

/// A task that pool::apply_async() has begun, and its result once that is there. Copies stand for the same
/// task.
///
/// **Destruction**: the task goes on. **Lifetime**: may outlive the pool: a task that is not finished by then
/// has failed with pool_terminated. **Thread safety**: that of the pool: one strand at a time.
template <class R>
class async_result {
public:
  /// One that stands for nothing; using it is a `std::logic_error`.
  async_result() = default;

  /// Waits for the result. Can be asked for any number of times, unless R can only be moved or holds a handle
  /// (a connection): that can be had once, and is a `std::logic_error` after it.
  /// @throws what the task ended with: remote_error if it threw, worker_died, timeout_expired (of
  /// pool_options::task_timeout()), pool_terminated, `operation_aborted` if it was cancelled.
  /// **Cancellation**: terminal, partial and total; the task goes on.
  asio::awaitable<R> get() const { return get_result(task(), std::nullopt); }
  /// The same for @p limit at most. @throws timeout_expired when it is over; the task goes on.
  asio::awaitable<R> get(duration limit) const { return get_result(task(), limit); }

  /// Waits until the task is finished, one way or the other. **Cancellation**: as get().
  asio::awaitable<void> wait() const { return detail::task_access::wait(task()); }
  /// @returns whether it is finished.
  bool ready() const { return detail::task_access::ready(*task()); }
  /// @returns whether it is finished and has a result.
  bool successful() const { return detail::task_access::successful(*task()); }

  /// Drops the task if it is queued; if it runs, its worker is killed and replaced, and it is finished once
  /// that is gone. Does nothing if it is finished.
  void cancel() { detail::task_access::cancel(*task()); }

private:
  friend class pool;
  explicit async_result(std::shared_ptr<detail::pool_task> task) : task_(std::move(task)) {}

  const std::shared_ptr<detail::pool_task>& task() const {
    if (!task_) throw std::logic_error("async_result: it stands for no task");
    return task_;
  }

  static asio::awaitable<R> get_result(std::shared_ptr<detail::pool_task> task,
                                       std::optional<duration> limit) {
    detail::message* encoded = co_await detail::task_access::result(task, limit);
    if constexpr (!std::is_void_v<R>) {
      if (!std::is_copy_constructible_v<R> || encoded->descriptor_count() != 0)
        detail::task_access::take_once(*task);
      co_return wire::decode<R>(*encoded);
    }
  }

  std::shared_ptr<detail::pool_task> task_;
};

} // namespace coproc
