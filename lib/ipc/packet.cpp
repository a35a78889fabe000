#include "ipc/packet.hpp"

#include "ipc/message.hpp"

#include <coproc/wire_error.hpp>

#include <cerrno>
#include <cstring>
#include <utility>

namespace coproc::detail {

int send_message(int socket, std::uint32_t kind, message& body, os::blocking wait) {
  return send_message(socket, kind, body, {}, wait);
}

int send_message(int socket, std::uint32_t kind, message& body, const std::vector<int>& more,
                 os::blocking wait) {
  const int segment = message_access::segment(body);
  std::vector<int> descriptors;
  if (segment >= 0) descriptors.push_back(segment);
  if (body.descriptor_count() != 0)
    for (int fd : message_access::descriptors(body)) descriptors.push_back(fd);
  descriptors.insert(descriptors.end(), more.begin(), more.end());

  packet_header header{.kind = kind,
                       .in_segment = segment >= 0 ? 1u : 0u,
                       .size = body.size(),
                       .descriptors = descriptors.size() - (segment >= 0 ? 1 : 0)};
  return os::send_packet(socket, std::as_bytes(std::span(&header, 1)),
                         segment >= 0 ? std::span<const std::byte>() : body.bytes(), descriptors, wait);
}

message incoming::take() {
  if (!in_buffer.empty()) {
    message_buffer own(in_buffer.size());
    std::memcpy(own.data(), in_buffer.data(), in_buffer.size());
    message_access::adopt(body, std::move(own), std::exchange(in_buffer, {}).size());
  }
  return std::move(body);
}

namespace {

[[noreturn]] void throw_nonsense() {
  throw wire::error("channel: what came is no message of coproc: something else writes to its descriptor");
}

/// @throws wire::error if header and packet disagree.
void check(const packet_header& header, std::size_t inline_size, std::size_t descriptors) {
  const std::size_t expected = header.in_segment == 1 ? 0 : header.size;
  if (header.in_segment > 1 || expected != inline_size ||
      descriptors != header.descriptors + header.in_segment)
    throw_nonsense();
}

/// Receives all but a segment, and leaves the descriptors to the caller.
incoming receive_parts(int socket, packet_header& header, std::span<std::byte> buffer,
                       std::vector<os::unique_fd>& descriptors, os::blocking wait) {
  os::received got =
      os::receive_packet(socket, std::as_writable_bytes(std::span(&header, 1)), buffer, descriptors, wait);
  if (got.error == EMSGSIZE) throw_nonsense(); // send_message() puts so much in a segment
  incoming result;
  result.error = got.error;
  result.closed = got.error == 0 && got.size == 0;
  if (got.size < sizeof header) {
    if (got.error == 0 && !result.closed) throw_nonsense();
    return result;
  }
  const std::size_t inline_size = got.size - sizeof header;
  result.kind = header.kind;
  result.in_buffer = buffer.first(inline_size);
  if (got.error == 0) check(header, inline_size, descriptors.size());
  return result;
}

} // namespace

incoming receive_message(int socket, std::span<std::byte> buffer, std::vector<os::unique_fd>& descriptors,
                         os::blocking wait) {
  packet_header header{};
  descriptors.clear();
  return receive_parts(socket, header, buffer, descriptors, wait);
}

incoming receive_message(int socket, std::span<std::byte> buffer, os::blocking wait) {
  packet_header header{};
  std::vector<os::unique_fd> descriptors;
  incoming result = receive_parts(socket, header, buffer, descriptors, wait);
  if (result.error == 0 && header.in_segment == 1) {
    os::unique_fd segment = std::move(descriptors.front());
    descriptors.erase(descriptors.begin());
    result.body = message_access::of_segment(std::move(segment), header.size, std::move(descriptors));
  } else if (result.error == 0) {
    for (os::unique_fd& fd : descriptors) result.body.attach(fd.release());
  }
  // The segment is the first for which room is sought.
  if (result.error == EMFILE && header.in_segment == 1 && !descriptors.empty())
    result.body = message_access::of_segment(std::move(descriptors.front()), header.size, {});
  return result;
}

bool would_lose_bytes(int socket) noexcept {
  packet_header header{};
  if (os::peek(socket, std::as_writable_bytes(std::span(&header, 1))) != sizeof header) return false;
  return header.in_segment == 1 && !os::duplicate(socket);
}

incoming receive_message(int socket, os::blocking wait) {
  message_buffer buffer(max_inline);
  incoming result = receive_message(socket, buffer.bytes(), wait);
  result.body = result.take();
  return result;
}

} // namespace coproc::detail
