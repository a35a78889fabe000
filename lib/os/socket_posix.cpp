#include "os/socket.hpp"

#include "os/error.hpp"
#include "os/fault.hpp"
#include "os/ready.hpp"

#include <cerrno>
#include <cstring>

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

namespace coproc::os {

namespace {

/// A peer that closed its socket with packets unread makes ours say so, once, and before it gives out what
/// that peer had sent (seen with Linux; unix(7) is silent about it).
bool is_passing(int error) noexcept { return error == EINTR || error == ECONNRESET; }

} // namespace

packet_pair make_packet_pair(const char* what) {
  int ends[2];
  int injected = injected_error(call::socketpair);
  if (injected || ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
    throw_errno(injected ? injected : errno, what);
  packet_pair result{unique_fd(ends[0]), unique_fd(ends[1])};
  result.first = above_standard_streams(std::move(result.first));
  result.second = above_standard_streams(std::move(result.second));
  return result;
}

int send_packet(int socket, std::span<const std::byte> head, std::span<const std::byte> body,
                std::span<const int> descriptors, blocking wait) noexcept {
  const auto unless_gone = [socket](int error) {
    // The kernel counts the descriptors before it looks for a receiver.
    return error == ETOOMANYREFS && has_hung_up(socket) ? EPIPE : error;
  };
  if (int injected = injected_error(call::sendmsg)) return unless_gone(injected);
  if (descriptors.size() > max_descriptors) return E2BIG;
  iovec parts[2] = {{const_cast<std::byte*>(head.data()), head.size()},
                    {const_cast<std::byte*>(body.data()), body.size()}};
  alignas(cmsghdr) unsigned char control[CMSG_SPACE(sizeof(int) * max_descriptors)];
  msghdr packet{};
  packet.msg_iov = parts;
  packet.msg_iovlen = body.empty() ? 1 : 2;
  if (!descriptors.empty()) {
    std::memset(control, 0, CMSG_SPACE(descriptors.size_bytes()));
    packet.msg_control = control;
    packet.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* attached = CMSG_FIRSTHDR(&packet);
    attached->cmsg_level = SOL_SOCKET;
    attached->cmsg_type = SCM_RIGHTS;
    attached->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(attached), descriptors.data(), descriptors.size_bytes());
  }
  int flags = MSG_NOSIGNAL | (wait == blocking::yes ? 0 : MSG_DONTWAIT);
  for (;;) {
    if (::sendmsg(socket, &packet, flags) >= 0) return 0;
    if (errno == ECONNRESET) return EPIPE;
    if (errno != EINTR) return unless_gone(errno);
  }
}

received receive_packet(int socket, std::span<std::byte> head, std::span<std::byte> body,
                        std::vector<unique_fd>& descriptors, blocking wait) {
  if (int injected = injected_error(call::recvmsg)) return {.error = injected};
  iovec parts[2] = {{head.data(), head.size()}, {body.data(), body.size()}};
  alignas(cmsghdr) unsigned char control[CMSG_SPACE(sizeof(int) * max_descriptors)];
  msghdr packet{};
  packet.msg_iov = parts;
  packet.msg_iovlen = body.empty() ? 1 : 2;
  packet.msg_control = control;
  packet.msg_controllen = sizeof control;
  int flags = MSG_CMSG_CLOEXEC | (wait == blocking::yes ? 0 : MSG_DONTWAIT);
  ssize_t size;
  do size = ::recvmsg(socket, &packet, flags);
  while (size < 0 && is_passing(errno));
  if (size < 0) return {.size = 0, .error = errno};
  for (cmsghdr* at = CMSG_FIRSTHDR(&packet); at; at = CMSG_NXTHDR(&packet, at)) {
    if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS) continue;
    std::size_t count = (at->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    std::size_t first = descriptors.size();
    int numbers[max_descriptors];
    std::memcpy(numbers, CMSG_DATA(at), count * sizeof(int));
    try {
      descriptors.reserve(first + count);
    } catch (...) {
      for (std::size_t i = 0; i != count; ++i) ::close(numbers[i]);
      throw;
    }
    // Of a process without its standard streams they may have the numbers, and get what is printed.
    for (std::size_t i = 0; i != count; ++i)
      descriptors.push_back(above_standard_streams(unique_fd(numbers[i])));
  }
  // MSG_CTRUNC: this process has no descriptor left for what was sent.
  if (packet.msg_flags & MSG_CTRUNC) return {.size = static_cast<std::size_t>(size), .error = EMFILE};
  if (packet.msg_flags & MSG_TRUNC) return {.size = 0, .error = EMSGSIZE};
  return {.size = static_cast<std::size_t>(size)};
}

next_packet look_ahead(int socket, blocking wait) noexcept {
  std::byte any;
  iovec part{&any, sizeof any};
  alignas(cmsghdr) unsigned char control[CMSG_SPACE(sizeof(int) * max_descriptors)];
  msghdr packet{};
  packet.msg_iov = &part;
  packet.msg_iovlen = 1;
  packet.msg_control = control;
  packet.msg_controllen = sizeof control;
  ssize_t size;
  const int flags = MSG_PEEK | MSG_CMSG_CLOEXEC | (wait == blocking::no ? MSG_DONTWAIT : 0);
  do size = ::recvmsg(socket, &packet, flags);
  while (size < 0 && is_passing(errno));
  if (size < 0) return errno == EAGAIN ? next_packet::none : next_packet::fits;
  for (cmsghdr* at = CMSG_FIRSTHDR(&packet); at; at = CMSG_NXTHDR(&packet, at)) {
    if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS) continue;
    for (std::size_t i = 0; CMSG_LEN((i + 1) * sizeof(int)) <= at->cmsg_len; ++i) {
      int number;
      std::memcpy(&number, CMSG_DATA(at) + i * sizeof number, sizeof number);
      ::close(number);
    }
  }
  return packet.msg_flags & MSG_CTRUNC ? next_packet::no_room : next_packet::fits;
}

std::size_t peek(int socket, std::span<std::byte> head) noexcept {
  ssize_t size;
  do size = ::recv(socket, head.data(), head.size(), MSG_PEEK | MSG_DONTWAIT);
  while (size < 0 && is_passing(errno));
  return size < 0 ? 0 : static_cast<std::size_t>(size);
}

void shut_down(int socket) noexcept { ::shutdown(socket, SHUT_RDWR); }

bool is_packet_socket(int fd) noexcept {
  int type = 0;
  socklen_t size = sizeof type;
  return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

int maker_of_pair(int fd) noexcept {
  if (!is_packet_socket(fd)) return 0;
  ucred maker{};
  socklen_t size = sizeof maker;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &maker, &size) < 0) return 0;
  return maker.uid == ::getuid() || maker.uid == ::geteuid() ? maker.pid : 0;
}

} // namespace coproc::os
