#include "os/child_setup.hpp"

#include <cerrno>

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace coproc::os {

namespace {

[[noreturn]] COPROC_UNINSTRUMENTED void fail(child_plan& plan, setup_step step,
                                             std::size_t index = 0) noexcept {
  const failure_report report{step, errno, index};
  plan.failed_step = step;
  plan.failed_index = index;
  plan.error = report.error;
  if (plan.report >= 0) ::syscall(SYS_write, plan.report, &report, sizeof report);
  for (;;) ::syscall(SYS_exit_group, 127);
}

COPROC_UNINSTRUMENTED bool is_inherited(const child_plan& plan, int fd) noexcept {
  for (std::size_t i = 0; i != plan.inherited_count; ++i)
    if (plan.inherited[i] == fd) return true;
  return false;
}

/// The child was born into the host's table of descriptors (CLONE_FILES) and gets one of its own here,
/// without those that lie above all that it needs: a host with thousands of them does not pay for their
/// copies.
COPROC_UNINSTRUMENTED void leave_host_descriptors(child_plan& plan) noexcept {
  int highest = 2;
  for (std::size_t i = 0; i != plan.move_count; ++i)
    if (plan.moves[i].source > highest) highest = plan.moves[i].source;
  for (std::size_t i = 0; i != plan.inherited_count; ++i)
    if (plan.inherited[i] > highest) highest = plan.inherited[i];
#ifdef SYS_close_range
  if (::syscall(SYS_close_range, static_cast<unsigned>(highest) + 1, ~0U, CLOSE_RANGE_UNSHARE) < 0)
    fail(plan, setup_step::close);
#endif
  plan.only_needed_left = highest == 2;
}

COPROC_UNINSTRUMENTED void set_up_streams(child_plan& plan) noexcept {
  // A source below 3 would be overwritten by an earlier move (stdout and stderr swapped): out of the way
  // first.
  for (std::size_t i = 0; i != plan.move_count; ++i) {
    child_plan::move& move = plan.moves[i];
    if (move.source >= 3 || move.source == move.target) continue;
    long up = ::syscall(SYS_fcntl, move.source, F_DUPFD_CLOEXEC, 3);
    if (up < 0) fail(plan, setup_step::redirect, i);
    move.source = static_cast<int>(up);
  }
  for (std::size_t i = 0; i != plan.move_count; ++i) {
    const child_plan::move& move = plan.moves[i];
    if (move.source == move.target) {
      // Inherited: it may be marked close-on-exec. One that is closed in the host stays closed.
      if (::syscall(SYS_fcntl, move.source, F_SETFD, 0) < 0 && errno != EBADF)
        fail(plan, setup_step::redirect, i);
    } else if (::syscall(SYS_dup3, move.source, move.target, 0) < 0) {
      fail(plan, setup_step::redirect, i);
    }
  }
  for (std::size_t i = 0; i != plan.inherited_count; ++i)
    if (::syscall(SYS_fcntl, plan.inherited[i], F_SETFD, 0) < 0) fail(plan, setup_step::inherit, i);
}

struct linux_dirent64 {
  unsigned long ino;
  long offset;
  unsigned short length;
  unsigned char type;
  char name[1];
};

/// Before Linux 5.9 there is no close_range(2). /proc names every descriptor, also those above a lowered
/// RLIMIT_NOFILE. They are marked rather than closed, so that the listing stays valid.
COPROC_UNINSTRUMENTED void mark_others_one_by_one(child_plan& plan) noexcept {
  long directory = ::syscall(SYS_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) fail(plan, setup_step::close);
  alignas(8) char buffer[1024];
  for (;;) {
    long size = ::syscall(SYS_getdents64, directory, buffer, sizeof buffer);
    if (size < 0) fail(plan, setup_step::close);
    if (size == 0) break;
    for (long at = 0; at < size;) {
      const auto* entry = reinterpret_cast<const linux_dirent64*>(buffer + at);
      at += entry->length;
      int fd = 0;
      const char* digit = entry->name;
      for (; *digit >= '0' && *digit <= '9'; ++digit) fd = fd * 10 + (*digit - '0');
      if (digit == entry->name || fd < 3 || is_inherited(plan, fd)) continue;
      ::syscall(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
    }
  }
  ::syscall(SYS_close, directory);
}

/// Marks a range as close-on-exec; the exec closes it. @returns false if the kernel can't.
COPROC_UNINSTRUMENTED bool mark_range(unsigned from, unsigned to) noexcept {
#ifdef SYS_close_range
  // The flag is newer than the call (5.11 and 5.9); closing at once does the same.
  return ::syscall(SYS_close_range, from, to, CLOSE_RANGE_CLOEXEC) == 0 ||
         (errno == EINVAL && ::syscall(SYS_close_range, from, to, 0) == 0);
#else
  (void)from, (void)to;
  return false;
#endif
}

/// Exactly 0, 1, 2 and what is inherited survives.
COPROC_UNINSTRUMENTED void close_others(child_plan& plan) noexcept {
  if (plan.only_needed_left) return;
  if (!plan.use_close_range) return mark_others_one_by_one(plan);
  unsigned from = 3;
  for (std::size_t i = 0; i != plan.inherited_count; ++i) {
    unsigned kept = static_cast<unsigned>(plan.inherited[i]);
    if (kept > from && !mark_range(from, kept - 1)) return mark_others_one_by_one(plan);
    if (kept >= from) from = kept + 1;
  }
  if (!mark_range(from, ~0U)) mark_others_one_by_one(plan);
}

COPROC_UNINSTRUMENTED void set_up_limits(child_plan& plan) noexcept {
  if (plan.umask) ::syscall(SYS_umask, *plan.umask);
  if (plan.nice) {
    // The raw call returns 20 - niceness, see getpriority(2).
    long now = ::syscall(SYS_getpriority, PRIO_PROCESS, 0);
    if (now < 0 || ::syscall(SYS_setpriority, PRIO_PROCESS, 0, static_cast<int>(20 - now) + *plan.nice) < 0)
      fail(plan, setup_step::nice);
  }
  for (std::size_t i = 0; i != plan.limit_count; ++i) {
    const child_plan::limit& limit = plan.limits[i];
    unsigned long long value[2] = {limit.soft, limit.hard};
    if (::syscall(SYS_prlimit64, 0, limit.resource, value, nullptr) < 0) fail(plan, setup_step::limit, i);
  }
}

COPROC_UNINSTRUMENTED void set_up_user(child_plan& plan) noexcept {
  if (!plan.user) return;
  unsigned uid = plan.user[0];
  unsigned gid = plan.user[1];
  // Groups while there is still the privilege for it.
  if (::syscall(SYS_setgroups, 0, nullptr) < 0 || ::syscall(SYS_setresgid, gid, gid, gid) < 0 ||
      ::syscall(SYS_setresuid, uid, uid, uid) < 0)
    fail(plan, setup_step::user);
}

COPROC_UNINSTRUMENTED void set_up_signals(const child_plan& plan) noexcept {
  // exec resets handlers by itself, but a signal that comes between the unblocking and the exec would run the
  // host's handler in the host's memory; and what the host ignores would stay ignored.
  unsigned long action[8] = {}; // the kernel's sigaction, all zero: SIG_DFL, no flags
  if (plan.own_group || plan.own_session) {
    // A Ctrl-C that came before the child left the terminal's group is not meant for it. Ignoring a signal
    // discards one that is pending, sigaction(2).
    unsigned long ignore[8] = {1}; // SIG_IGN
    constexpr int from_a_terminal[] = {SIGHUP, SIGINT, SIGQUIT, SIGTSTP};
    for (int number : from_a_terminal) ::syscall(SYS_rt_sigaction, number, ignore, nullptr, _NSIG / 8);
  }
  for (int number = 1; number < _NSIG; ++number) {
    // Those between the standard and the real-time signals are libc's own, which ignores none of them.
    bool settable =
        number != SIGKILL && number != SIGSTOP && (number < 32 || number >= plan.first_realtime_signal);
    if (settable) ::syscall(SYS_rt_sigaction, number, action, nullptr, _NSIG / 8);
  }
  unsigned long none[_NSIG / 8 / sizeof(unsigned long)] = {};
  ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, none, nullptr, _NSIG / 8);
}

/// As execvpe(3): a candidate that is not there, or that may not be executed, lets the next one try.
[[noreturn]] COPROC_UNINSTRUMENTED void exec(child_plan& plan) noexcept {
  int denied = 0;
  std::size_t culprit = 0, too_long = 0;
  for (std::size_t i = 0; i != plan.candidate_count; ++i) {
    ::syscall(SYS_execve, plan.candidates[i], plan.argv, plan.envp);
    switch (errno) {
    case EACCES:
      // A directory that may not be searched is no more than a directory where the program is not.
      if (denied ||
          (plan.candidate_count != 1 && ::syscall(SYS_faccessat, AT_FDCWD, plan.candidates[i], F_OK) < 0))
        break;
      culprit = i;
      denied = EACCES;
      break;
    case ENAMETOOLONG:
      ++too_long;
      break;
    case ENOENT:
    case ENOTDIR:
    case ENODEV:
    case ESTALE:
    case ETIMEDOUT:
      break;
    default:
      fail(plan, setup_step::exec, i);
    }
  }
  if (denied) errno = denied;
  // A single candidate keeps its own errno (ENOTDIR); of a search, "not there" is what counts, unless it is
  // the program's name that is too long, and not that of a directory.
  else if (plan.candidate_count != 1)
    errno = too_long == plan.candidate_count ? ENAMETOOLONG : ENOENT;
  fail(plan, setup_step::exec, culprit);
}

} // namespace

COPROC_UNINSTRUMENTED void set_up_and_exec(child_plan& plan) noexcept {
  plan.memory_is_shared = true;
  if (plan.own_session && ::syscall(SYS_setsid) < 0) fail(plan, setup_step::session);
  if (plan.own_group && ::syscall(SYS_setpgid, 0, 0) < 0) fail(plan, setup_step::group);
  if (plan.shares_descriptors) leave_host_descriptors(plan);
  set_up_streams(plan);
  close_others(plan);
  if (plan.cwd && ::syscall(SYS_chdir, plan.cwd) < 0) fail(plan, setup_step::cwd);
  set_up_limits(plan);
  set_up_user(plan);
  if (plan.no_new_privs && ::syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
    fail(plan, setup_step::rights);
  if (plan.die_with_parent) {
    // After the change of user, which clears it. A host that died before is noticed by the new parent.
    if (::syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) fail(plan, setup_step::parent);
    if (::syscall(SYS_getppid) != plan.host_pid)
      for (;;) ::syscall(SYS_exit_group, 127);
  }
  set_up_signals(plan);
  exec(plan);
}

} // namespace coproc::os
