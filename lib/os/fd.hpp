#pragma once

#include <utility>

namespace coproc::os {

/// Owns a descriptor.
class unique_fd {
public:
  unique_fd() = default;
  explicit unique_fd(int fd) noexcept : fd_(fd) {}
  unique_fd(unique_fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  unique_fd& operator=(unique_fd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  ~unique_fd() { reset(); }

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  int release() noexcept { return std::exchange(fd_, -1); }
  void reset(int fd = -1) noexcept;

private:
  int fd_ = -1;
};

/// @returns @p fd, or a duplicate of it above 2 (close-on-exec) in its place; @p fd as it is if there is none
/// left. In a host without its standard streams a new descriptor gets one of their numbers, and a child that
/// inherits them would get it.
unique_fd above_standard_streams(unique_fd fd) noexcept;

/// @returns a second descriptor for what @p fd is open on, above 2 and close-on-exec; empty and errno if
/// there is none.
unique_fd duplicate(int fd) noexcept;

/// Sets the flag on a descriptor that was inherited. @returns whether it is one.
bool close_on_exec(int fd) noexcept;

} // namespace coproc::os
