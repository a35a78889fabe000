#pragma once

#include <cstddef>

// For code that runs in the child: the sanitizers would take what it does for the host's doing, and it never
// returns from the functions that they saw it enter.
#if defined(__clang__)
#define COPROC_UNINSTRUMENTED __attribute__((disable_sanitizer_instrumentation, noinline))
#else
#define COPROC_UNINSTRUMENTED                                                                                \
  __attribute__((no_sanitize("address"), no_sanitize("thread"), no_sanitize("undefined"), noinline))
#endif

namespace coproc::os {

/// What the child was doing when it failed.
enum class setup_step {
  none,
  session,
  group,
  umask,
  nice,
  limit,
  redirect,
  inherit,
  close,
  cwd,
  user,
  rights,
  parent,
  exec
};

/// launch_plan as plain data: the child must not run code of the standard library, which the sanitizers
/// instrument and which may allocate.
struct child_plan {
  struct move {
    int source;
    int target;
  };
  struct limit {
    int resource;
    unsigned long long soft; // as rlimit64, prlimit(2)
    unsigned long long hard;
  };

  const char* const* candidates;
  std::size_t candidate_count;
  const char* const* argv;
  const char* const* envp;
  const char* cwd;
  move* moves; // changed in the child
  std::size_t move_count;
  const int* inherited;
  std::size_t inherited_count;
  const limit* limits;
  std::size_t limit_count;
  const int* nice;
  const unsigned* umask;
  const unsigned* user; // uid, gid
  int host_pid;
  int first_realtime_signal; // SIGRTMIN, which asks libc
  bool own_session;
  bool own_group;
  bool die_with_parent;
  bool no_new_privs;
  bool use_close_range;
  bool shares_descriptors;       // born with CLONE_FILES
  bool only_needed_left = false; // set by the child: no descriptor is there that it should not have
  int report = -1;               // a pipe that a failure is written to as well, as a failure_report

  // Written by the child, which shares this memory, and read by the host after the exec. Volatile, since no
  // path that the compiler can see leads from there to the host.
  volatile bool memory_is_shared = false;
  volatile setup_step failed_step = setup_step::none;
  volatile int error = 0;
  volatile std::size_t failed_index = 0; // which candidate, limit, ...
};

/// What goes through child_plan::report.
struct failure_report {
  setup_step step;
  int error;
  std::size_t index;
};

/// Runs in the child, with all signals blocked, in the host's memory. Makes only raw system calls: libc's own
/// are not safe here (setuid(2) signals all threads of the host) and the sanitizers' wrappers would take the
/// child's close() for the host's. Executes the program, or writes why not into @p plan and exits.
[[noreturn]] void set_up_and_exec(child_plan& plan) noexcept;

} // namespace coproc::os
