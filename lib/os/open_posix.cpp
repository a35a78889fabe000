#include "os/open.hpp"

#include "os/error.hpp"
#include "os/fault.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace coproc::os {

namespace {

unique_fd open_file(const std::string& path, int flags, const std::string& blame) {
  const std::string what = blame + " '" + path + "'";
  if (int error = injected_error(call::open)) throw_errno(error, what);
  struct stat info;
  if (::stat(path.c_str(), &info) == 0 && S_ISFIFO(info.st_mode)) throw_errno(EINVAL, what + ", a FIFO");
  // O_NONBLOCK: it may have become a FIFO, or be a device that waits for its line.
  unique_fd file(::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666));
  if (!file) throw_errno(errno, what);
  if (::fstat(file.get(), &info) == 0 && S_ISFIFO(info.st_mode)) throw_errno(EINVAL, what + ", a FIFO");
  ::fcntl(file.get(), F_SETFL, flags & O_APPEND);
  return above_standard_streams(std::move(file));
}

} // namespace

unique_fd open_input(const std::string& path, const std::string& blame) {
  return open_file(path, O_RDONLY, blame);
}

unique_fd open_output(const std::string& path, output_mode mode, const std::string& blame) {
  return open_file(path, O_WRONLY | O_CREAT | (mode == output_mode::append ? O_APPEND : O_TRUNC), blame);
}

unique_fd open_null(bool for_reading, const std::string& blame) {
  if (int error = injected_error(call::open)) throw_errno(error, blame);
  unique_fd file(::open("/dev/null", (for_reading ? O_RDONLY : O_WRONLY) | O_CLOEXEC));
  if (!file) throw_errno(errno, blame);
  return above_standard_streams(std::move(file));
}

void require_open(int fd, const std::string& blame) {
  if (::fcntl(fd, F_GETFD) < 0) throw_errno(errno, blame);
}

bool same_file(int a, int b) noexcept {
  struct stat x, y;
  return ::fstat(a, &x) == 0 && ::fstat(b, &y) == 0 && S_ISREG(x.st_mode) && x.st_dev == y.st_dev &&
         x.st_ino == y.st_ino;
}

bool is_open(int fd) noexcept { return ::fcntl(fd, F_GETFD) >= 0; }

unique_fd open_working_directory(const std::string& blame) {
  if (int error = injected_error(call::open)) throw_errno(error, blame);
  unique_fd directory(::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory) throw_errno(errno, blame);
  return above_standard_streams(std::move(directory));
}

std::optional<directory_id> working_directory_id() noexcept {
#ifdef STATX_MNT_ID
  struct statx seen;
  if (::statx(AT_FDCWD, ".", AT_NO_AUTOMOUNT, STATX_INO | STATX_MNT_ID, &seen) == 0 &&
      (seen.stx_mask & STATX_MNT_ID) != 0)
    return directory_id{.device = (std::uint64_t(seen.stx_dev_major) << 32) | seen.stx_dev_minor,
                        .number = seen.stx_ino,
                        .mount = seen.stx_mnt_id};
#endif
  return std::nullopt;
}

bool enter_directory(int directory) noexcept {
  if (int error = injected_error(call::fchdir)) {
    errno = error;
    return false;
  }
  return ::fchdir(directory) == 0;
}

} // namespace coproc::os
