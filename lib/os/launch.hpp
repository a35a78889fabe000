#pragma once

#include <coproc/group_mode.hpp>

#include "os/fd.hpp"

#include <sys/resource.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace coproc::os {

/// One of the child's standard streams.
struct redirect {
  int source; ///< The host's descriptor that the child gets; the stream's own number: it is inherited.
  int target; ///< 0, 1 or 2.
};

struct resource_limit {
  int resource; ///< RLIMIT_...
  rlimit value;
};

/// All that the child does between its birth and its exec, decided before it is born. The strings belong to
/// whoever made the plan.
struct launch_plan {
  std::string program;                 ///< For messages.
  std::vector<std::string> candidates; ///< The paths to execute, in this order, until one is there.
  std::vector<const char*> argv;       ///< Ends with a null pointer.
  std::vector<const char*> envp;       ///< The same; empty: the host's environment.
  std::string cwd;                     ///< Empty: the host's.
  std::vector<redirect> redirects;
  std::vector<int> inherited; ///< Further descriptors that stay open, under their numbers; sorted.
  std::vector<resource_limit> limits;
  std::optional<int> nice;
  std::optional<unsigned> umask;
  std::optional<std::pair<unsigned, unsigned>> user; ///< uid, gid.
  group_mode group = group_mode::own;
  bool die_with_parent = false;
  bool no_new_privs = false; ///< The program, and all that it starts, gain no rights by executing a file.
};

struct launched {
  int pid = -1;
  unique_fd pidfd; ///< Empty where there is none to be had: the exit watch polls then.
};

/// @returns a pidfd (pidfd_open(2)) of @p pid, whose id can't be given away meanwhile: a child that is not
/// reaped, say; empty if there is none to be had.
unique_fd open_pidfd(int pid) noexcept;

/// Starts a process, and returns when it executes the program.
///
/// The child shares the host's memory and suspends the calling thread until its exec (CLONE_VM | CLONE_VFORK,
/// clone(2)), so the cost does not grow with the host and an error comes back through memory.
///
/// @throws std::system_error naming the program and the step that failed; no process is left.
launched launch(const launch_plan& plan);

} // namespace coproc::os
