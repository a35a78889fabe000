#pragma once

#include "os/fd.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace coproc::os {

/// Two connected sockets that keep the borders of packets (SOCK_SEQPACKET, unix(7)): what one send gives is
/// there as a whole or not at all, whenever the sender is killed.
struct packet_pair {
  unique_fd first;
  unique_fd second;
};

/// Both are close-on-exec. @throws std::system_error naming @p what.
packet_pair make_packet_pair(const char* what);

enum class blocking { no, yes };

/// Sends @p head and @p body as one packet, with @p descriptors attached (at most max_descriptors).
/// @returns 0 or an errno; EAGAIN: the receiver is behind; EPIPE: it is gone, and never a SIGPIPE;
/// ETOOMANYREFS: this user has as many descriptors on their way as it may (unix(7)), and no event tells when
/// that ends.
int send_packet(int socket, std::span<const std::byte> head, std::span<const std::byte> body,
                std::span<const int> descriptors, blocking wait) noexcept;

/// As many as one packet can carry (SCM_MAX_FD, unix(7)).
inline constexpr std::size_t max_descriptors = 253;

struct received {
  std::size_t size = 0; ///< Bytes; 0 without an error: the sender is gone.
  int error = 0;        ///< errno; EAGAIN: nothing is there; EMSGSIZE: it was longer than the room for it;
                        ///< EMFILE: it is here, but for descriptors that this process had no room for.
};

/// Receives one packet into @p head and then @p body; its descriptors, close-on-exec, go to @p descriptors.
received receive_packet(int socket, std::span<std::byte> head, std::span<std::byte> body,
                        std::vector<unique_fd>& descriptors, blocking wait);

/// What a socket would give, which stays there.
enum class next_packet {
  none,   ///< Nothing has come yet.
  fits,   ///< Or it is the end, or an error.
  no_room ///< This process has no room for its descriptors.
};
next_packet look_ahead(int socket, blocking wait) noexcept;
/// Reads the start of what a socket would give, which stays there. @returns bytes; 0: nothing has come yet.
std::size_t peek(int socket, std::span<std::byte> head) noexcept;

/// No more packets in either direction, whoever else has a copy of the descriptor.
void shut_down(int socket) noexcept;

/// @returns whether @p fd is such a socket.
bool is_packet_socket(int fd) noexcept;

/// @returns the id of the process that made the pair which @p fd belongs to; 0 if it is no such socket.
int maker_of_pair(int fd) noexcept;

} // namespace coproc::os
