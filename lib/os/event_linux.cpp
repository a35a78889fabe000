#include "os/event.hpp"

#include "os/error.hpp"
#include "os/fault.hpp"

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include <sys/eventfd.h>
#include <unistd.h>

namespace coproc::os {

unique_fd make_event(const char* what) {
  if (int error = injected_error(call::eventfd)) throw_errno(error, what);
  unique_fd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) throw_errno(errno, what);
  return above_standard_streams(std::move(event));
}

void signal_event(int event) noexcept {
  const std::uint64_t one = 1;
  // EAGAIN: 2^64 - 2 signals have not been cleared, so it is readable.
  while (::write(event, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

void clear_event(int event) noexcept {
  std::uint64_t count;
  // EAGAIN: it is clear.
  while (::read(event, &count, sizeof count) < 0 && errno == EINTR) {
  }
}

bool is_event(int descriptor) noexcept {
  char link[64], target[32] = {};
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  return ::readlink(link, target, sizeof target - 1) > 0 && std::strstr(target, "eventfd") != nullptr;
}

} // namespace coproc::os
