#pragma once

#include "os/fd.hpp"

#include <cstddef>

namespace coproc::os {

/// Owns anonymous shared memory that grows while others have it mapped, and that nobody can truncate under
/// them (memfd_create(2), sealed). What the functions throw is a std::system_error that names the operation
/// and the size.
class growing_memory {
public:
  growing_memory() = default;
  /// An empty one. @p name is what /proc shows.
  static growing_memory create(const char* name);
  /// One that came from another process. @throws std::system_error (EINVAL) if it is something else.
  static growing_memory adopt(unique_fd fd);

  int fd() const noexcept { return fd_.get(); }
  std::size_t size() const;
  /// Gets the memory of a range, beyond its end, too: using it never fails afterwards.
  void allocate(std::size_t offset, std::size_t size);
  /// Gives the memory of a range back, and keeps the size. It reads as zeros afterwards.
  void discard(std::size_t offset, std::size_t size) noexcept;

private:
  unique_fd fd_;
};

/// A mapping of its first bytes, for reading and writing, that moves as it grows. Not thread-safe.
class growing_view {
public:
  growing_view() = default;
  growing_view(const growing_view&) = delete;
  ~growing_view();

  std::byte* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  /// Maps all that there is. @returns whether that is at least @p size bytes.
  bool cover(const growing_memory& memory, std::size_t size);

private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

} // namespace coproc::os
