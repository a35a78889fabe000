#include "os/launch.hpp"

#include "os/child_setup.hpp"
#include "os/error.hpp"
#include "os/fault.hpp"
#include "os/launch_error.hpp"
#include "os/open.hpp"
#include "os/reap.hpp"
#include "os/reaper.hpp"

#include <cerrno>

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace coproc::os {

namespace {

/// The kernel's struct clone_args, first version (clone3(2)); older headers lack it.
struct clone3_args {
  alignas(8) unsigned long long flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
};

// The system call has to be made in line: parent and child leave it on the same stack, and a wrapper's return
// address would be overwritten by the child's first call before the parent gets to it.
#if defined(__x86_64__)
#define COPROC_INLINE_SYSCALL(result, number, a, b)                                                          \
  do {                                                                                                       \
    register long r10_ asm("r10") = 0;                                                                       \
    register long r8_ asm("r8") = 0;                                                                         \
    asm volatile("syscall"                                                                                   \
                 : "=a"(result)                                                                              \
                 : "0"(long(number)), "D"(long(a)), "S"(long(b)), "d"(0L), "r"(r10_), "r"(r8_)               \
                 : "rcx", "r11", "memory");                                                                  \
  } while (0)
#elif defined(__aarch64__)
#define COPROC_INLINE_SYSCALL(result, number, a, b)                                                          \
  do {                                                                                                       \
    register long x8_ asm("x8") = long(number);                                                              \
    register long x0_ asm("x0") = long(a);                                                                   \
    register long x1_ asm("x1") = long(b);                                                                   \
    register long x2_ asm("x2") = 0;                                                                         \
    register long x3_ asm("x3") = 0;                                                                         \
    register long x4_ asm("x4") = 0;                                                                         \
    asm volatile("svc 0" : "+r"(x0_) : "r"(x8_), "r"(x1_), "r"(x2_), "r"(x3_), "r"(x4_) : "memory");         \
    result = x0_;                                                                                            \
  } while (0)
#endif

#ifdef COPROC_INLINE_SYSCALL

/// @returns the pid, or -errno. No exit signal until the exec sets SIGCHLD: a failed start is nobody's
/// business.
COPROC_UNINSTRUMENTED long start_with_clone3(child_plan& plan, clone3_args& args) noexcept {
  long result;
  COPROC_INLINE_SYSCALL(result, SYS_clone3, &args, sizeof args);
  if (result == 0) set_up_and_exec(plan);
  return result;
}

/// What vfork(2) is made of. Not libc's: thread sanitizer turns that into a fork, whose memory is not shared.
COPROC_UNINSTRUMENTED long start_with_vfork(child_plan& plan, int exit_signal) noexcept {
  long result;
  const long memory = injected_error(call::shared_memory) ? 0 : CLONE_VM;
  COPROC_INLINE_SYSCALL(result, SYS_clone, memory | CLONE_VFORK | exit_signal, 0);
  if (result == 0) set_up_and_exec(plan);
  return result;
}

constexpr bool can_share_descriptors = true;

#else

constexpr bool can_share_descriptors = false;

long start_with_clone3(child_plan&, clone3_args&) noexcept { return -ENOSYS; }

COPROC_UNINSTRUMENTED long start_with_vfork(child_plan& plan, int) noexcept {
  pid_t result = ::vfork();
  if (result == 0) set_up_and_exec(plan);
  return result < 0 ? -errno : result;
}

#endif

/// Blocks every signal, glibc's internal ones included, while parent and child share memory (signal(7)).
class all_signals_blocked {
public:
  all_signals_blocked() noexcept {
    unsigned long all[words];
    for (unsigned long& word : all) word = ~0UL;
    ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, all, before_, _NSIG / 8);
  }
  all_signals_blocked(const all_signals_blocked&) = delete;
  ~all_signals_blocked() { ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, before_, nullptr, _NSIG / 8); }

private:
  static constexpr std::size_t words = _NSIG / 8 / sizeof(unsigned long);
  unsigned long before_[words];
};

struct birth {
  long pid; // or -errno
  unique_fd pidfd;
};

#ifdef COPROC_HAS_PIDFD
constexpr bool use_pidfd = true;
#else
constexpr bool use_pidfd = false;
#endif

/// @returns pid -ENOSYS or -EPERM if that can't be done here.
birth start_by_clone3(child_plan& plan) {
  all_signals_blocked guard;
  int pidfd = -1;
  clone3_args args{};
  args.flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD;
  if (plan.shares_descriptors) args.flags |= CLONE_FILES;
  args.pidfd = reinterpret_cast<unsigned long>(&pidfd);
  const int injected = injected_error(call::clone3);
  const long pid = injected ? -injected : start_with_clone3(plan, args);
  return {pid, unique_fd(pid > 0 ? pidfd : -1)};
}

/// Emulators turn vfork into fork (Valgrind, qemu-user), and know no other flags with it. Then the child's
/// memory is its own, and what failed there comes through a pipe.
birth start_by_vfork(child_plan& plan) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) return {-errno, unique_fd()};
  const unique_fd report(ends[0]);
  unique_fd report_end = above_standard_streams(unique_fd(ends[1]));
  if (report_end.get() < 3) return {-EMFILE, unique_fd()};
  plan.report = report_end.get();
  plan.shares_descriptors = false;
  long pid = 0;
  {
    all_signals_blocked guard;
    const int injected = injected_error(call::vfork);
    pid = injected ? -injected : start_with_vfork(plan, 0);
    if (pid == -EINVAL) pid = start_with_vfork(plan, SIGCHLD); // qemu-user knows no other
  }
  report_end.reset();
  // Only then: a fork by another thread could hold the other end open.
  if (pid < 0 || plan.memory_is_shared) return {pid, unique_fd()};
  failure_report failure{};
  ssize_t size = 0;
  do size = ::read(report.get(), &failure, sizeof failure);
  while (size < 0 && errno == EINTR);
  if (size == sizeof failure) {
    plan.failed_step = failure.step;
    plan.failed_index = failure.index;
    plan.error = failure.error;
  }
  return {pid, unique_fd()};
}

birth start(child_plan& plan) {
  if (use_pidfd) {
    birth born = start_by_clone3(plan);
    // ENOSYS: before Linux 5.3, or the answer of a container's seccomp filter; some filters say EPERM.
    if (born.pid != -ENOSYS && born.pid != -EPERM) return born;
  }
  return start_by_vfork(plan);
}

bool has_close_range() noexcept {
#ifdef SYS_close_range
  if (injected_error(call::close_range)) return false;
  // Nothing is open up there; before Linux 5.9, and under some filters, the call itself fails.
  static const bool works = ::syscall(SYS_close_range, ~0U, ~0U, 0) == 0;
  return works;
#else
  return false;
#endif
}

} // namespace

unique_fd open_pidfd(int pid) noexcept {
#ifdef SYS_pidfd_open
  if (use_pidfd && !injected_error(call::pidfd_open))
    return unique_fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
#endif
  (void)pid;
  return unique_fd();
}

launched launch(const launch_plan& plan) {
  std::vector<const char*> candidates;
  candidates.reserve(plan.candidates.size());
  for (const std::string& path : plan.candidates) candidates.push_back(path.c_str());

  std::vector<child_plan::move> moves;
  moves.reserve(plan.redirects.size());
  for (const redirect& stream : plan.redirects) {
    // One that is inherited needs no move, unless it is marked close-on-exec; what the host has closed stays
    // closed. The child could find its own pidfd under that number.
    if (stream.source == stream.target) {
      const int flags = ::fcntl(stream.source, F_GETFD);
      if (flags < 0 || (flags & FD_CLOEXEC) == 0) continue;
    }
    moves.push_back({stream.source, stream.target});
  }

  std::vector<child_plan::limit> limits;
  for (const resource_limit& limit : plan.limits)
    limits.push_back({limit.resource, limit.value.rlim_cur, limit.value.rlim_max});

  unsigned user[2] = {plan.user ? plan.user->first : 0, plan.user ? plan.user->second : 0};

  child_plan child{};
  child.candidates = candidates.data();
  child.candidate_count = candidates.size();
  child.argv = plan.argv.data();
  child.envp = plan.envp.empty() ? environ : plan.envp.data();
  child.cwd = plan.cwd.empty() ? nullptr : plan.cwd.c_str();
  child.moves = moves.data();
  child.move_count = moves.size();
  child.inherited = plan.inherited.data();
  child.inherited_count = plan.inherited.size();
  child.limits = limits.data();
  child.limit_count = limits.size();
  child.nice = plan.nice ? &*plan.nice : nullptr;
  child.umask = plan.umask ? &*plan.umask : nullptr;
  child.user = plan.user ? user : nullptr;
  child.host_pid = plan.die_with_parent ? ::getpid() : 0;
  child.first_realtime_signal = SIGRTMIN;
  child.own_session = plan.group == group_mode::session;
  child.own_group = plan.group == group_mode::own;
  child.die_with_parent = plan.die_with_parent;
  child.no_new_privs = plan.no_new_privs;
  child.use_close_range = has_close_range();
  // Without close_range(2) there is no way out of the shared table that a container's filter lets pass.
  child.shares_descriptors = can_share_descriptors && child.use_close_range;

  birth born = start(child);
  if (born.pid < 0)
    throw_errno(static_cast<int>(-born.pid), "spawn '" + plan.program + "': cannot create a process");
  if (!born.pidfd) born.pidfd = open_pidfd(static_cast<int>(born.pid));

  launched result{static_cast<int>(born.pid), above_standard_streams(std::move(born.pidfd))};
  if (child.error != 0) {
    // It is exiting at this moment; a tracer can delay that, and the reaper does not wait.
    if (!reap_soon(result.pid, result.pidfd.get())) reap_later(std::move(result));
    throw_errno(child.error, describe(plan, child));
  }
  return result;
}

} // namespace coproc::os
