#pragma once

#include "os/fd.hpp"
#include "os/fd_watch.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/steady_timer.hpp>

#include <chrono>
#include <functional>
#include <optional>

namespace coproc::os {

/// Wakes somebody on the loop when a child may have ended. Readiness of the pidfd (pidfd_open(2)) says so at
/// once; where there is none, and where a pidfd was readable before its process could be reaped, a timer says
/// to look again, with back-off from 1 to 50 ms. No SIGCHLD, no thread.
///
/// Does not own the pidfd, which is to stay where it is until stop(). Not thread-safe.
class exit_watch {
public:
  explicit exit_watch(const asio::any_io_executor& executor);
  exit_watch(const exit_watch&) = delete;
  ~exit_watch();

  /// Calls @p handler once, from the loop: `false` when it is time to look, `true` when cancel() or stop()
  /// came first.
  void wait(unique_fd& pidfd, std::function<void(bool aborted)> handler);

  /// Says that the child had not ended. If its pidfd is readable all the same, the next wait backs off.
  void too_early(int pidfd) noexcept;

  /// Aborts a wait. The next one may follow at once.
  void cancel();

  /// Aborts a wait and takes the pidfd out of the loop, so that it can be closed.
  void stop() noexcept;

private:
  fd_watch watch_;
  unique_fd* pidfd_ = nullptr;              // while the loop knows it
  std::optional<asio::steady_timer> timer_; // most children need none
  bool polling_ = false;                    // the last wait was for the timer
  std::chrono::milliseconds delay_{0};      // 0: the pidfd has not been readable yet
};

} // namespace coproc::os
