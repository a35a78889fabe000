#pragma once

#include "os/fd.hpp"

#include <signal.h>

namespace coproc::os {

/// Makes the ends of this process's children a descriptor to wait for, signalfd(2). For a process with one
/// thread: SIGCHLD is blocked for as long as it lives.
class child_watch {
public:
  /// @throws std::system_error if there is no descriptor left.
  child_watch();

  /// Readable when children have ended since forget().
  int fd() const noexcept { return signals_.get(); }
  void forget() noexcept;
  /// In a fork of the process: the signal mask as it was before.
  void undo() noexcept;

private:
  os::unique_fd signals_;
  sigset_t before_;
};

} // namespace coproc::os
