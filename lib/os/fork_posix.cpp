#include "os/fork.hpp"

#include "os/fault.hpp"
#include "os/host_fd.hpp"

#include <cerrno>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

namespace coproc::os {

launched fork_process() noexcept {
  launched result;
  if (int injected = injected_error(call::fork)) {
    errno = injected;
    return result;
  }
  result.pid = ::fork();
  // Both do it: whoever comes first, a signal to the group finds it.
  if (result.pid >= 0) ::setpgid(result.pid, result.pid);
  if (result.pid > 0) result.pidfd = above_standard_streams(open_pidfd(result.pid));
  return result;
}

namespace {

bool forked_child = false;

} // namespace

bool is_forked_child() noexcept { return forked_child; }

launched fork_host() noexcept {
  // A handler of the host's must not run in the child: that of an asio::signal_set writes to a pipe that both
  // have, and the host would take a signal to the child for its own.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  launched result;
  {
    fork_lock ends_stay_as_they_are;
    result = fork_process();
  }
  if (result.pid == 0) {
    forked_child = true;
  } else {
    const int error = errno;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    errno = error;
  }
  return result;
}

int begin_forked_child(const std::vector<redirect>& streams) noexcept {
  for (int number = 1; number != NSIG; ++number)
    if (number != SIGKILL && number != SIGSTOP) ::signal(number, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);

  // A source that is itself one of the three may be overwritten before its turn.
  unique_fd kept[3];
  int sources[3] = {0, 1, 2};
  for (const redirect& stream : streams) {
    int& source = sources[stream.target] = stream.source;
    if (source > 2 || source == stream.target) continue;
    unique_fd& copy = kept[stream.target];
    copy = duplicate(source);
    if (!copy && errno != EBADF) return errno;
    source = copy.get();
  }
  for (int target = 0; target != 3; ++target) {
    if (sources[target] == target || ::dup2(sources[target], target) >= 0) continue;
    if (errno != EBADF) return errno;
    ::close(target);
  }
  return 0;
}

void set_standard_stream(int number, unique_fd source) noexcept {
  if (source)
    ::dup2(source.get(), number);
  else
    ::close(number);
}

standard_numbers_taken::standard_numbers_taken() noexcept {
  for (unique_fd& fd : taken_) {
    fd.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (fd.get() <= 2) continue;
    fd.reset();
    break;
  }
}

} // namespace coproc::os
