#pragma once

#include <coproc/duration.hpp>

namespace coproc {

/// How a program is stopped: a signal that asks, a grace period, then SIGKILL.
///
/// The same policy serves child::stop(), a timeout and the cancellation of run(). When the child ends within
/// the grace period, what is left of its process group is killed (see command::process_group); not if the
/// host ignores SIGCHLD, since the group's id may be somebody else's by then.
class stop_policy {
public:
  /// SIGTERM, 5 s, SIGKILL.
  stop_policy();
  /// SIGTERM, @p grace, SIGKILL. Zero or less: SIGKILL at once.
  explicit stop_policy(duration grace);

  /// Asks with @p number in place of SIGTERM.
  /// @throws std::invalid_argument if it is no signal of this system.
  stop_policy& signal(int number) &;
  stop_policy&& signal(int number) &&; ///< As above.

  /// @returns the signal that asks.
  int signal() const { return signal_; }
  /// @returns the time between that signal and SIGKILL.
  duration grace() const { return grace_; }

private:
  duration grace_;
  int signal_;
};

} // namespace coproc
