#pragma once

#include <span>

namespace coproc::os {

/// A descriptor to wait for.
struct watched {
  int fd;              ///< -1: none.
  bool input = true;   ///< Whether it is waited for until it is readable.
  bool output = false; ///< The same, writable.
  bool ready = false;  ///< Afterwards: it is readable, was asked for that, or its other end is gone.
};

/// Waits until something can be done with one of them, a signal comes, or the time is up (poll(2)).
/// @param milliseconds -1: for any time.
void wait_ready(std::span<watched, 3> all, int milliseconds) noexcept;

/// Waits until @p fd is readable, or its other end is gone. @param milliseconds -1: for any time.
/// @returns whether it is; false, too, when a signal came before the time was up.
bool is_readable(int fd, int milliseconds = 0) noexcept;

/// The same, writable.
bool wait_writable(int fd, int milliseconds = -1) noexcept;

/// @returns whether the other end of a socket is gone.
bool has_hung_up(int fd) noexcept;

} // namespace coproc::os
