#include "launch.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sched.h>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace bench {

namespace {

struct plan {
  char* const* argv;
  int in;
  int out;
  int error;
};

int in_child(void* argument) {
  auto& what = *static_cast<plan*>(argument);
  if (what.in >= 0) ::dup2(what.in, 0);
  if (what.out >= 0) ::dup2(what.out, 1);
  ::execve(what.argv[0], what.argv, environ);
  what.error = errno;
  ::_exit(127);
}

} // namespace

launched launch(const std::vector<std::string>& arguments, int in, int out) {
  std::vector<char*> argv;
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  plan what{argv.data(), in, out, 0};

  // The thread is held until the exec, so one stack serves all of its children.
  alignas(16) static thread_local char stack[32768];
  launched child;
  child.pid = ::clone(in_child, stack + sizeof stack, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &what,
                      &child.pidfd);
  if (child.pid < 0) fail("clone");
  if (what.error != 0) {
    ::waitpid(child.pid, nullptr, 0);
    ::close(child.pidfd);
    errno = what.error;
    fail("execve");
  }
  return child;
}

void reap(launched child) {
  siginfo_t info{};
  int result;
  do result = ::waitid(P_PID, static_cast<id_t>(child.pid), &info, WEXITED);
  while (result != 0 && errno == EINTR);
  if (result != 0) fail("waitid");
  if (child.pidfd >= 0) ::close(child.pidfd);
  if (info.si_code != CLD_EXITED || info.si_status != 0) throw std::runtime_error("the program failed");
}

pipe_ends::pipe_ends(int size) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) fail("pipe2");
  read = ends[0];
  write = ends[1];
  if (size > 0 && ::fcntl(write, F_SETPIPE_SZ, size) < 0) fail("F_SETPIPE_SZ");
}

void pipe_ends::close_read() {
  if (read >= 0) ::close(read);
  read = -1;
}

void pipe_ends::close_write() {
  if (write >= 0) ::close(write);
  write = -1;
}

} // namespace bench
