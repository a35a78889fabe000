#pragma once

#include <cstddef>

namespace coproc::os {

/// The system calls whose failure a test can bring about.
enum class call {
  clone3,            ///< ENOSYS makes the launcher fall back to vfork.
  vfork,             ///< The fallback.
  shared_memory,     ///< In the fallback: any failure makes the child get a copy, as emulators do.
  pidfd_open,        ///< After vfork; any failure makes the exit watch poll.
  pidfd_send_signal, ///< ENOSYS makes it fall back to kill(2).
  waitid,            ///< Looking for the end of a child.
  pipe,              ///< Making a pipe for a stream.
  open,              ///< Opening a file for a stream.
  read,              ///< From a child's stdout or stderr.
  write,             ///< To a child's stdin.
  socketpair,        ///< Making a channel.
  sendmsg,           ///< Sending a packet.
  recvmsg,           ///< Receiving one.
  fork,              ///< For a function child.
  fchdir,            ///< Following the host to its working directory.
  close_range,       ///< ENOSYS makes the child look through /proc/self/fd.
  memfd_create,      ///< Making shared memory.
  fallocate,         ///< Getting its memory.
  pwrite,            ///< Writing to it.
  mmap,              ///< Mapping it.
  eventfd,           ///< Making a wake-up for a loop.
  pwritev2, ///< EOPNOTSUPP makes writes block SIGPIPE around write(2) instead of passing RWF_NOSIGNAL.
};

/// @returns the errno that @p which is to fail with, instead of being made; 0: it is to be made.
/// The library links a definition that always says 0, the tests one of their own: the only seam they need,
/// and the reason why this is a function and not a macro.
int injected_error(call which) noexcept;

/// @returns at most how many of @p size bytes @p which is to transfer. The library's definition says @p size.
std::size_t injected_limit(call which, std::size_t size) noexcept;

} // namespace coproc::os
