#pragma once

#include <coproc/duration.hpp>

#include "os/launch.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/cancellation_state.hpp>
#include <asio/execution_context.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>

namespace coproc::detail {

class context_service;

/// Something that holds waiters or I/O objects of an execution context, and may outlive it.
class context_object {
public:
  context_object(const context_object&) = delete;
  context_object& operator=(const context_object&) = delete;

protected:
  context_object() = default;
  /// Leaves the context. The most derived class has let go of everything by then.
  virtual ~context_object();

  /// Binds to the context of @p executor; the first call decides.
  /// @throws std::logic_error, naming @p what, if it is another one than before.
  void bind(const asio::any_io_executor& executor, const char* what);
  /// @returns whether bind() would do nothing but reap orphans.
  bool is_bound_to(const asio::any_io_executor& executor) const;
  /// @returns the context's service; null before bind() and after the end of the context.
  context_service* service() const noexcept { return service_; }

private:
  friend class context_service;
  /// The context ends: drops waiters without completing them, and every I/O object, timer and executor.
  virtual void shutdown() noexcept = 0;
  /// This is a fork of the host, and goes on with its loop. Lets go of nothing in here.
  virtual void forked() {}

  context_service* service_ = nullptr;
  asio::execution_context* context_ = nullptr; // kept after the end, to tell another context
  context_object* previous_ = nullptr;
  context_object* next_ = nullptr;
};

/// The library's part of an execution context: knows who has to let go when the context ends, and reaps what
/// was dropped.
class context_service final : public asio::execution_context::service {
public:
  using key_type = context_service;
  static asio::execution_context::id id;

  explicit context_service(asio::execution_context& context) : service(context) {}

  /// @returns the service of the executor's context. Being the way into every operation, it also reaps what
  /// outlived other contexts.
  static context_service& of(const asio::any_io_executor& executor);

  /// Reaps a child that is about to end, on the loop. For one second that keeps the loop running, so that a
  /// program whose work is done leaves no zombies; a child that takes longer (uninterruptible sleep) is left
  /// to later operations of the library, as are those that are there when the context ends, and those that
  /// there is no memory to follow.
  void reap(const asio::any_io_executor& executor, os::launched child) noexcept;

  /// As breather::due(), for operations without an object. Thread-safe.
  bool breathing_due() noexcept { return (++count_ & 127u) == 0; }

private:
  friend class context_object;
  void shutdown() noexcept override;
  void notify_fork(asio::execution_context::fork_event event) override;
  void add(context_object& object) noexcept;
  void remove(context_object& object) noexcept;

  std::atomic<unsigned> count_{0};
  std::mutex mutex_;
  context_object* first_ = nullptr;
};

/// @returns the execution context of @p executor.
asio::execution_context& context_of(const asio::any_io_executor& executor);

/// @returns @p start + @p delay, or the last time point that the clock knows; not before @p start.
inline std::chrono::steady_clock::time_point after(std::chrono::steady_clock::time_point start,
                                                   duration delay) {
  if (delay >= std::chrono::steady_clock::time_point::max() - start)
    return std::chrono::steady_clock::time_point::max();
  return start + std::max(delay, duration::zero());
}

/// Counts operations that complete without suspending: every 128th is to go through the loop, so that an
/// endless run of them does not starve others.
class breather {
public:
  /// @returns whether this operation is to await pass_through_loop().
  bool due() noexcept { return (++count_ & 127u) == 0; }
  /// @returns the last answer of due().
  bool was_due() const noexcept { return (count_ & 127u) == 0; }

private:
  unsigned count_ = 0;
};

/// Sees that a coroutine is cancelled while nothing of ours listens to it: it was resumed, and is not running
/// yet. Whether its next await throws then is up to its caller, this_coro::throw_if_cancelled(3).
class cancellation_watch {
public:
  explicit cancellation_watch(asio::cancellation_state state) noexcept
      : state_(state), before_(state.cancelled() != asio::cancellation_type::none) {}

  /// @returns whether it has been since this was made.
  bool cancelled() const noexcept { return !before_ && state_.cancelled() != asio::cancellation_type::none; }
  /// @throws std::system_error (operation_aborted) if so.
  void throw_if_cancelled() const;

private:
  asio::cancellation_state state_;
  bool before_; // it cleans up, say
};

/// Lets everything run that is ready.
/// @throws std::system_error (operation_aborted) if the coroutine is cancelled meanwhile.
asio::awaitable<void> pass_through_loop();

} // namespace coproc::detail
