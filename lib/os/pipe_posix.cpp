#include "os/pipe.hpp"

#include "os/error.hpp"
#include "os/fault.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

namespace coproc::os {

pipe_ends make_pipe_between(const char* what) {
  int ends[2];
  if (int error = injected_error(call::pipe)) throw_errno(error, what);
  if (::pipe2(ends, O_CLOEXEC) < 0) throw_errno(errno, what);
  return {above_standard_streams(unique_fd(ends[0])), above_standard_streams(unique_fd(ends[1]))};
}

pipe_ends make_pipe(host_end end, const char* what) {
  pipe_ends ends = make_pipe_between(what);
  // Only ours: O_NONBLOCK belongs to the open file description, which the two ends don't share.
  if (::fcntl(end == host_end::read ? ends.read.get() : ends.write.get(), F_SETFL, O_NONBLOCK) < 0)
    throw_errno(errno, what);
  return ends;
}

transfer try_read(int fd, void* data, std::size_t size) noexcept {
  return try_read(fd, {static_cast<char*>(data), size}, {});
}

transfer try_read(int fd, std::span<char> first, std::span<char> second) noexcept {
  const std::size_t most = injected_limit(call::read, first.size() + second.size());
  const std::size_t in_first = std::min(first.size(), most);
  iovec pieces[] = {{first.data(), in_first}, {second.data(), std::min(second.size(), most - in_first)}};
  for (;;) {
    errno = injected_error(call::read);
    ssize_t result = errno ? -1 : ::readv(fd, pieces, second.empty() ? 1 : 2);
    if (result >= 0) return {static_cast<std::size_t>(result), 0};
    if (errno != EINTR) return {0, errno};
  }
}

namespace {

transfer write_once(int fd, const void* data, std::size_t size) noexcept {
  ssize_t result;
  do result = ::write(fd, data, size);
  while (result < 0 && errno == EINTR);
  if (result < 0) return {0, errno};
  return {static_cast<std::size_t>(result), 0};
}

/// Blocks SIGPIPE in this thread around the write and takes back one that the write raised. One that was
/// pending before is somebody else's and stays.
transfer write_with_sigpipe_blocked(int fd, const void* data, std::size_t size) noexcept {
  sigset_t pipe_only, before, pending;
  sigemptyset(&pipe_only);
  sigaddset(&pipe_only, SIGPIPE);
  sigemptyset(&pending);
  ::sigpending(&pending);
  ::pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
  transfer result = write_once(fd, data, size);
  if (result.error == EPIPE && !sigismember(&pending, SIGPIPE)) {
    timespec at_once{0, 0};
    while (::sigtimedwait(&pipe_only, nullptr, &at_once) < 0 && errno == EINTR) {
    }
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return result;
}

} // namespace

transfer try_write(int fd, const void* data, std::size_t size) noexcept {
  int injected;
  do injected = injected_error(call::write);
  while (injected == EINTR);
  if (injected) return {0, injected};
  size = injected_limit(call::write, size);
#ifdef SYS_pwritev2
  // Linux 6.18 writes without the signal when asked to. A kernel that can't is not asked again.
  constexpr int no_signal = 0x100; // RWF_NOSIGNAL
  static std::atomic<bool> can_ask{true};
  if (can_ask.load(std::memory_order_relaxed) && !injected_error(call::pwritev2)) {
    iovec piece{const_cast<void*>(data), size};
    long result;
    do result = ::syscall(SYS_pwritev2, fd, &piece, 1UL, -1L, -1L, no_signal);
    while (result < 0 && errno == EINTR);
    if (result >= 0) return {static_cast<std::size_t>(result), 0};
    if (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL && errno != EPERM) return {0, errno};
    can_ask.store(false, std::memory_order_relaxed);
  }
#endif
  return write_with_sigpipe_blocked(fd, data, size);
}

void enlarge(int pipe) noexcept { ::fcntl(pipe, F_SETPIPE_SZ, 1 << 20); }

std::size_t available(int pipe) noexcept {
  int size = 0;
  if (::ioctl(pipe, FIONREAD, &size) < 0 || size < 0) return 0;
  return static_cast<std::size_t>(size);
}

} // namespace coproc::os
