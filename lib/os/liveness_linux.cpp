#include "os/liveness.hpp"

#include "os/error.hpp"
#include "os/fault.hpp"

#include <cerrno>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

namespace coproc::os {

lifeline make_lifeline(const char* what) {
  int ends[2];
  int injected = injected_error(call::pipe);
  if (injected || ::pipe2(ends, O_CLOEXEC) < 0) throw_errno(injected ? injected : errno, what);
  lifeline result{.keep = unique_fd(ends[1]), .hold = unique_fd(ends[0])};
  result.keep = above_standard_streams(std::move(result.keep));
  result.hold = above_standard_streams(std::move(result.hold));
  return result;
}

int die_with(int hold) noexcept {
  f_owner_ex self{F_OWNER_PID, ::getpid()};
  if (::fcntl(hold, F_SETOWN_EX, &self) < 0 || ::fcntl(hold, F_SETSIG, SIGKILL) < 0 ||
      ::fcntl(hold, F_SETFL, O_ASYNC) < 0)
    return errno;
  // It may have been closed before anybody was to be told.
  pollfd closed{hold, POLLIN, 0};
  if (::poll(&closed, 1, 0) != 0) ::kill(::getpid(), SIGKILL);
  return 0;
}

unique_fd closed_after(int hold, unique_fd fd) noexcept {
  if (fd.get() > hold) return fd;
  unique_fd higher(::fcntl(fd.get(), F_DUPFD_CLOEXEC, hold + 1));
  return higher ? std::move(higher) : std::move(fd);
}

} // namespace coproc::os
