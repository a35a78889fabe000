#pragma once

#include "os/fd.hpp"
#include "worker/protocol.hpp"

#include <coproc/detail/message.hpp>

#include <array>
#include <cstddef>
#include <span>

namespace coproc::detail {

/// A request to the fork server in the process that reads it.
struct served_request {
  /// Takes its own descriptors out of @p from, and leaves those of the call's arguments. @throws wire::error
  served_request(std::span<const std::byte> bytes, message& from);

  start_request start;
  std::span<const std::byte> arguments; ///< Of the call, if it is here.
  message* from;                        ///< Owns the descriptors of the arguments.
  const void* code;                     ///< What is to be called; null if this process does not have it.
  os::unique_fd channel, lifeline;
  os::unique_fd directory; ///< If it is a new one.
  std::array<os::unique_fd, 3> streams;
};

/// In a process that the fork server has forked: makes it the child that was asked for, and ends with it.
/// The server has what all its children share: environment, working directory, umask.
/// @param host the process that this_process::parent_pid() is to name.
[[noreturn]] void run_served(served_request& request, int host) noexcept;

} // namespace coproc::detail
