#include "os/launch_error.hpp"

#include <cerrno>
#include <string>

#include <sys/resource.h>
#include <unistd.h>

namespace coproc::os {

namespace {

const char* const stream_names[] = {"stdin", "stdout", "stderr"};

std::string limit_name(int which) {
  switch (which) {
  case RLIMIT_CPU:
    return "cpu";
  case RLIMIT_AS:
    return "memory";
  case RLIMIT_NOFILE:
    return "files";
  case RLIMIT_NPROC:
    return "processes";
  case RLIMIT_CORE:
    return "core";
  case RLIMIT_FSIZE:
    return "file_size";
  case RLIMIT_STACK:
    return "stack";
  default:
    return std::to_string(which);
  }
}

std::string exec_failure(const launch_plan& plan, const child_plan& outcome) {
  const std::string& path = plan.candidates[outcome.failed_index];
  // The kernel says "no such file" of a script whose interpreter is missing as well, execve(2).
  bool here = plan.cwd.empty() || path.front() == '/';
  if (outcome.error == ENOENT && plan.candidates.size() == 1 && here && ::access(path.c_str(), F_OK) == 0)
    return ": the interpreter of this file is missing";
  if (outcome.error == EACCES && path != plan.program) return ": " + path;
  return {};
}

} // namespace

std::string describe(const launch_plan& plan, const child_plan& outcome) {
  std::string what = "spawn '" + plan.program + "'";
  switch (outcome.failed_step) {
  case setup_step::none:
    break;
  case setup_step::session:
    return what + ": cannot create a session";
  case setup_step::group:
    return what + ": cannot create a process group";
  case setup_step::umask:
    return what + ": cannot set the umask";
  case setup_step::nice:
    return what + ": cannot change the niceness by " + std::to_string(*plan.nice);
  case setup_step::limit:
    return what + ": cannot limit " + limit_name(plan.limits[outcome.failed_index].resource);
  case setup_step::redirect:
    return what + ": cannot redirect " + stream_names[outcome.moves[outcome.failed_index].target];
  case setup_step::inherit:
    return what + ": cannot inherit descriptor " + std::to_string(plan.inherited[outcome.failed_index]);
  case setup_step::close:
    return what + ": cannot close the host's descriptors";
  case setup_step::cwd:
    return what + ": cannot change directory to '" + plan.cwd + "'";
  case setup_step::user:
    return what + ": cannot become user " + std::to_string(plan.user->first) + ", group " +
           std::to_string(plan.user->second);
  case setup_step::rights:
    return what + ": cannot do without further rights";
  case setup_step::parent:
    return what + ": cannot arrange to die with the parent";
  case setup_step::exec:
    return what + exec_failure(plan, outcome);
  }
  return what;
}

} // namespace coproc::os
