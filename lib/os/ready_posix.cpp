#include "os/ready.hpp"

#include <cerrno>

#include <poll.h>

namespace coproc::os {

void wait_ready(std::span<watched, 3> all, int milliseconds) noexcept {
  pollfd polled[3];
  for (std::size_t i = 0; i != all.size(); ++i) {
    // A descriptor of -1 is left out, poll(2).
    const int events = (all[i].input ? POLLIN : 0) | (all[i].output ? POLLOUT : 0);
    polled[i] = {all[i].fd, static_cast<short>(events), 0};
    all[i].ready = false;
  }
  if (::poll(polled, all.size(), milliseconds) <= 0) return;
  for (std::size_t i = 0; i != all.size(); ++i) all[i].ready = (polled[i].revents & ~POLLOUT) != 0;
}

namespace {

bool becomes_ready(int fd, short events, int milliseconds) noexcept {
  pollfd ready{fd, events, 0};
  int result;
  do result = ::poll(&ready, 1, milliseconds);
  while (result < 0 && errno == EINTR && milliseconds < 0);
  return result > 0;
}

} // namespace

bool is_readable(int fd, int milliseconds) noexcept { return becomes_ready(fd, POLLIN, milliseconds); }

bool wait_writable(int fd, int milliseconds) noexcept { return becomes_ready(fd, POLLOUT, milliseconds); }

bool has_hung_up(int fd) noexcept {
  pollfd socket{fd, 0, 0};
  return ::poll(&socket, 1, 0) == 1 && (socket.revents & POLLHUP) != 0;
}

} // namespace coproc::os
