#pragma once

#include <coproc/detail/message.hpp>

#include "os/socket.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace coproc::detail {

/// A message on a packet socket: a header, then the bytes; or, if those live in a segment, its descriptor in
/// their place. One message is one packet, so it arrives whole or not at all.
struct packet_header {
  std::uint32_t kind;        ///< What the two ends agree upon.
  std::uint32_t in_segment;  ///< 1: the first descriptor is that of a segment with the bytes.
  std::uint64_t size;        ///< Of the bytes.
  std::uint64_t descriptors; ///< Besides the segment's.
};

/// Sends @p body, which stays as it is. @returns as os::send_packet().
/// @throws std::system_error if the message's segment can't be finished.
int send_message(int socket, std::uint32_t kind, message& body, os::blocking wait);
/// The same with more descriptors, which come after those of the message.
int send_message(int socket, std::uint32_t kind, message& body, const std::vector<int>& more,
                 os::blocking wait);

struct incoming {
  int error = 0;       ///< errno; EAGAIN: nothing is there; EMFILE: it is here without its descriptors, but
                       ///< with its bytes if there was room for their segment.
  bool closed = false; ///< The other end is gone.
  std::uint32_t kind = 0;
  message body;
  std::span<const std::byte> in_buffer; ///< Bytes that are in the caller's buffer, and not in the body.

  /// @returns the bytes, wherever they are. @throws as message::bytes()
  std::span<const std::byte> bytes() const { return in_buffer.empty() ? body.bytes() : in_buffer; }
  /// @returns the message, which keeps its bytes. @throws std::bad_alloc
  message take();
};

/// Receives one message. Bytes that came inline are left in @p buffer, which has room for max_inline.
/// @throws wire::error if it is no packet of send_message().
incoming receive_message(int socket, std::span<std::byte> buffer, os::blocking wait);

/// The same; the message has all of its bytes.
incoming receive_message(int socket, os::blocking wait);

/// The same for messages of few descriptors, which are left in @p descriptors: if that has room for them,
/// nothing is allocated once the message has been taken out of the socket, so that none is lost.
incoming receive_message(int socket, std::span<std::byte> buffer, std::vector<os::unique_fd>& descriptors,
                         os::blocking wait);

/// @returns whether the bytes of the next message, which are in a segment, would be lost if it were received
/// now: this process has no descriptor left.
bool would_lose_bytes(int socket) noexcept;

/// More bytes than that are in a segment.
inline constexpr std::size_t max_inline = 64 * 1024;

} // namespace coproc::detail
