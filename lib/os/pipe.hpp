#pragma once

#include "os/fd.hpp"

#include <cstddef>
#include <span>

namespace coproc::os {

struct pipe_ends {
  unique_fd read;
  unique_fd write;
};

/// Which end of a pipe the host keeps.
enum class host_end { read, write };

/// Both ends are close-on-exec, and the host's does not block.
/// @throws std::system_error naming @p what.
pipe_ends make_pipe(host_end end, const char* what);

/// A pipe between two children: both ends block.
pipe_ends make_pipe_between(const char* what);

/// What came of an attempt to read or write without blocking.
struct transfer {
  std::size_t size = 0; ///< Bytes; 0 from a read without an error: end of the stream.
  int error = 0;        ///< errno; EAGAIN: nothing to be had now.
};

transfer try_read(int fd, void* data, std::size_t size) noexcept;

/// Fills @p first and then @p second, in one system call (readv(2)).
transfer try_read(int fd, std::span<char> first, std::span<char> second) noexcept;

/// A closed reader is the error EPIPE, and never a SIGPIPE.
transfer try_write(int fd, const void* data, std::size_t size) noexcept;

/// Makes room for more in a pipe whose reader or writer turns out to be fast: 1 MiB in place of 64 KiB. Does
/// nothing when the user's quota (pipe-user-pages-soft, pipe(7)) is used up.
void enlarge(int pipe) noexcept;

/// @returns how many bytes wait in a pipe.
std::size_t available(int pipe) noexcept;

/// What a pipe holds unless it is enlarged (pipe(7)).
inline constexpr std::size_t default_capacity = 65536;

} // namespace coproc::os
