#include "os/child_watch.hpp"

#include "os/error.hpp"

#include <cerrno>

#include <sys/signalfd.h>
#include <unistd.h>

namespace coproc::os {

child_watch::child_watch() {
  sigset_t ended;
  ::sigemptyset(&ended);
  ::sigaddset(&ended, SIGCHLD);
  ::pthread_sigmask(SIG_BLOCK, &ended, &before_);
  signals_.reset(::signalfd(-1, &ended, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_) throw_errno(errno, "cannot watch children");
}

void child_watch::forget() noexcept {
  // A pending signal is one, however often it was sent, signal(7).
  signalfd_siginfo any;
  while (::read(signals_.get(), &any, sizeof any) < 0 && errno == EINTR) {
  }
}

void child_watch::undo() noexcept {
  signals_.reset();
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

} // namespace coproc::os
