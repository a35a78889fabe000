#include "os/reap.hpp"

#include "os/fault.hpp"

#include <cerrno>
#include <chrono>

#include <poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

namespace coproc::os {

namespace {

#ifndef P_PIDFD
constexpr int P_PIDFD = 3;
#endif

duration to_duration(const timeval& time) {
  return std::chrono::duration_cast<duration>(std::chrono::seconds(time.tv_sec) +
                                              std::chrono::microseconds(time.tv_usec));
}

resource_usage to_usage(const rusage& raw) {
  resource_usage usage;
  usage.user = to_duration(raw.ru_utime);
  usage.system = to_duration(raw.ru_stime);
  usage.max_rss_bytes = static_cast<std::size_t>(raw.ru_maxrss) * 1024; // in KiB on Linux, getrusage(2)
  usage.minor_faults = static_cast<std::uint64_t>(raw.ru_minflt);
  usage.major_faults = static_cast<std::uint64_t>(raw.ru_majflt);
  usage.voluntary_context_switches = static_cast<std::uint64_t>(raw.ru_nvcsw);
  usage.involuntary_context_switches = static_cast<std::uint64_t>(raw.ru_nivcsw);
  return usage;
}

/// The system call rather than waitid(3): that has no place for the rusage, and wait4(2) knows no pidfd.
/// __WALL: a child that was killed between its birth and its exec has no exit signal yet.
int wait_for(int pid, int pidfd, siginfo_t& info, int options, rusage* usage) noexcept {
  if (int error = injected_error(call::waitid)) {
    errno = error;
    return -1;
  }
  info.si_pid = 0;
  options |= WEXITED | WNOHANG | __WALL;
  long result = -1;
  do {
    if (pidfd >= 0) result = ::syscall(SYS_waitid, P_PIDFD, pidfd, &info, options, usage);
    // EINVAL: Linux 5.3 has pidfds but no P_PIDFD.
    if (pidfd < 0 || (result < 0 && errno == EINVAL))
      result = ::syscall(SYS_waitid, P_PID, pid, &info, options, usage);
  } while (result < 0 && errno == EINTR);
  return static_cast<int>(result);
}

} // namespace

std::optional<exit_record> try_reap(int pid, int pidfd) noexcept {
  siginfo_t info;
  rusage usage;
  if (wait_for(pid, pidfd, info, 0, &usage) < 0) {
    if (errno == ECHILD) return exit_record{exit_status::unknown(), std::nullopt};
    return std::nullopt;
  }
  if (info.si_pid == 0) return std::nullopt;
  exit_status status = info.si_code == CLD_EXITED
                           ? exit_status::exited(info.si_status)
                           : exit_status::signaled(info.si_status, info.si_code == CLD_DUMPED);
  return exit_record{status, to_usage(usage)};
}

presence look(int pid, int pidfd) noexcept {
  siginfo_t info;
  if (wait_for(pid, pidfd, info, WNOWAIT, nullptr) < 0)
    return errno == ECHILD ? presence::taken : presence::running;
  return info.si_pid != 0 ? presence::ended : presence::running;
}

int ended_child() noexcept {
  siginfo_t info;
  info.si_pid = 0;
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ? 0 : info.si_pid;
}

bool reap_soon(int pid, int pidfd) noexcept {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
  for (;;) {
    if (try_reap(pid, pidfd)) return true;
    if (std::chrono::steady_clock::now() >= deadline) return false;
    pollfd ended{pidfd, POLLIN, 0};
    if (pidfd < 0 || ::poll(&ended, 1, 100) != 0) {
      timespec moment{0, 50'000};
      ::nanosleep(&moment, nullptr);
    }
  }
}

} // namespace coproc::os
