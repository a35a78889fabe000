#pragma once

#include "loop/context_service.hpp"
#include "os/fork_mark.hpp"
#include "os/reap.hpp"

#include <asio/any_io_executor.hpp>

#include <functional>
#include <optional>

namespace coproc::detail {

/// A process that was started, as child_state sees it: how to learn of its end, and how to signal it. Not
/// thread-safe; child_state calls it under its lock.
class started_process {
public:
  started_process() = default;
  started_process(const started_process&) = delete;
  virtual ~started_process() = default;

  /// @returns its id; -1 before the start.
  virtual int pid() const noexcept = 0;

  /// Calls @p handler once, from the loop and never from in here: `false` when it is time to look, `true`
  /// when cancel_wait() or leave_loop() came first.
  virtual void wait(std::function<void(bool aborted)> handler) = 0;
  /// Says that it had not ended when it was time to look.
  virtual void too_early() noexcept = 0;
  /// Aborts a wait. The next one may follow at once.
  virtual void cancel_wait() = 0;
  /// Aborts a wait; none follows.
  virtual void leave_loop() noexcept = 0;

  /// Reaps it if it has ended. Never blocks. @returns how it ended; nullopt while it runs.
  virtual std::optional<os::exit_record> try_reap() noexcept = 0;
  /// Looks, and reaps nothing.
  virtual os::presence look() noexcept = 0;

  /// Signals the process alone, or the group that it leads. @returns 0 or an errno.
  virtual int signal(int number) noexcept = 0;
  virtual int signal_group(int number) noexcept = 0;

  /// It is reaped: lets go of what it held to follow and signal it.
  virtual void ended() noexcept = 0;
  /// Nobody wants to know of its end any more: sees to it that it is reaped some day.
  /// @param service null if the context has ended, or if the process is to live on.
  virtual void give_up(context_service* service, const asio::any_io_executor& executor) noexcept = 0;

  /// In a fork of the host, which has a copy of this and of its descriptors: not a child of the caller, who
  /// is not to signal it, nor to take what it says.
  bool is_copy() const noexcept { return !mark_.is_original(); }

private:
  const os::fork_mark mark_;
};

} // namespace coproc::detail
