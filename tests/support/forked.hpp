#pragma once

#include <cstdlib>
#include <utility>

#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

namespace coproc::test {

/// A child of fork(2) that runs a function, for what concerns no more than memory: it has this process's
/// threads no longer, and none of its loops. Killed at the end of the scope.
class forked {
public:
  template <class Function>
  explicit forked(Function function) : pid_(::fork()) {
    if (pid_ != 0) return;
    ::alarm(120); // whoever is left over
    int code = 0;
    try {
      function();
    } catch (...) {
      code = 1;
    }
    ::_exit(code);
  }
  forked(forked&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  forked& operator=(forked&& other) noexcept {
    if (this != &other) {
      kill();
      pid_ = std::exchange(other.pid_, -1);
    }
    return *this;
  }
  ~forked() { kill(); }

  pid_t pid() const { return pid_; }

  /// Waits for its end. @returns its wait status.
  int wait() {
    int status = -1;
    if (pid_ > 0) ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
  }
  /// @returns whether it ended, and its function did not throw.
  bool ended_well() { return wait() == 0; }

  void signal(int number) const {
    if (pid_ > 0) ::kill(pid_, number);
  }
  void kill() {
    if (pid_ <= 0) return;
    signal(SIGKILL);
    wait();
  }

private:
  pid_t pid_;
};

} // namespace coproc::test
