#include "os/signal.hpp"

#include "os/fault.hpp"
#include "os/reap.hpp"

#include <cerrno>

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace coproc::os {

namespace {

constexpr unsigned to_process_group = 4; // PIDFD_SIGNAL_PROCESS_GROUP, Linux 6.9

/// @returns 0 or an errno.
int signal_by_pidfd(int pidfd, int number, unsigned flags) noexcept {
#ifdef SYS_pidfd_send_signal
  if (pidfd < 0) return ENOSYS;
  if (int error = injected_error(call::pidfd_send_signal)) return error;
  return ::syscall(SYS_pidfd_send_signal, pidfd, number, nullptr, flags) < 0 ? errno : 0;
#else
  (void)pidfd, (void)number, (void)flags;
  return ENOSYS;
#endif
}

} // namespace

int signal_process(int pid, int pidfd, int number) noexcept {
  int error = signal_by_pidfd(pidfd, number, 0);
  if (error != ENOSYS && error != EPERM) return error;
  // EPERM: a real refusal, which kill(2) repeats, or a filter that knows no pidfd_send_signal.
  if (look(pid, pidfd) == presence::taken) return ESRCH;
  return ::kill(pid, number) < 0 ? errno : 0;
}

bool is_free_id(int pid) noexcept { return ::kill(pid, 0) < 0 && errno == ESRCH; }

bool is_ignored(int number) noexcept {
  struct sigaction now;
  return ::sigaction(number, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}

bool leads_its_group(int pid) noexcept { return ::getpgid(pid) == pid; }

int signal_group(int pid, int pidfd, int number) noexcept {
  int error = signal_by_pidfd(pidfd, number, to_process_group);
  if (error == 0 || error == ESRCH) return error;
  // A host that ignores SIGCHLD has its children reaped for it, and their ids given away.
  if (look(pid, pidfd) == presence::taken) return ESRCH;
  // One call reaches all: a process that is forking when the signal comes gets it before the child is in the
  // group (copy_process in Linux since 4.19 restarts the fork).
  return ::kill(-pid, number) < 0 ? errno : 0;
}

} // namespace coproc::os
