#include "os/fd.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace coproc::os {

void unique_fd::reset(int fd) noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

unique_fd above_standard_streams(unique_fd fd) noexcept {
  if (fd.get() < 0 || fd.get() > 2) return fd;
  unique_fd higher = duplicate(fd.get());
  return higher ? std::move(higher) : std::move(fd);
}

unique_fd duplicate(int fd) noexcept { return unique_fd(::fcntl(fd, F_DUPFD_CLOEXEC, 3)); }

bool close_on_exec(int fd) noexcept { return ::fcntl(fd, F_SETFD, FD_CLOEXEC) == 0; }

} // namespace coproc::os
