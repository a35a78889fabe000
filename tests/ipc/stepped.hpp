#pragma once

#include "support/forked.hpp"

#include <cerrno>

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

namespace coproc::test {

/// A child of fork(2) that goes through a function one machine instruction at a time (ptrace(2)), so that it
/// can be killed or left between any two.
class stepped {
public:
  /// Stops before the function's first instruction. @param prepare runs before that.
  template <class Prepare, class Function>
  stepped(Prepare prepare, Function function)
      : child_([prepare, function] {
          if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(77);
          prepare();
          ::raise(SIGSTOP);
          function();
          ::raise(SIGUSR2); // a mark, which the tracer swallows
        }) {
    wait_for_stop();
  }

  /// @returns false if processes can't be traced here.
  bool possible() const { return !ended_ || WEXITSTATUS(status_) != 77; }
  /// @returns whether the function has returned.
  bool finished() const { return ended_ || stopped_by(SIGUSR2); }

  /// Makes @p count instructions, fewer if the function returns.
  /// A system call counts as one. It is to be one that does not sleep.
  void step(long count) {
    for (; count > 0 && !finished(); --count) {
      ::ptrace(PTRACE_SINGLESTEP, child_.pid(), nullptr, nullptr);
      wait_for_stop();
    }
  }

  void kill() { child_.kill(); }
  pid_t pid() const { return child_.pid(); }

private:
  bool stopped_by(int number) const { return !ended_ && WIFSTOPPED(status_) && WSTOPSIG(status_) == number; }

  void wait_for_stop() {
    while (::waitpid(child_.pid(), &status_, 0) < 0 && errno == EINTR) {
    }
    ended_ = !WIFSTOPPED(status_);
  }

  forked child_;
  int status_ = 0;
  bool ended_ = false;
};

} // namespace coproc::test
