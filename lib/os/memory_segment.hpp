#pragma once

#include "os/fd.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace coproc::os {

/// Asks for huge pages for @p size bytes of private memory at @p memory (madvise(2)), where the system leaves
/// that to programs: fewer page faults when it is first written. Nothing happens where that can't be.
void advise_huge_pages(void* memory, std::size_t size) noexcept;

enum class access { read, write };
/// shared: changes are seen by all; copy: private to this process.
enum class sharing { shared, copy };
/// now: all pages are there when map() returns (MAP_POPULATE), instead of one fault for each.
enum class population { now, on_use };

/// Owns a range of mapped memory.
class mapping {
public:
  mapping() = default;
  mapping(mapping&& other) noexcept;
  mapping& operator=(mapping&& other) noexcept;
  ~mapping();

  std::byte* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  explicit operator bool() const noexcept { return data_ != nullptr; }
  void reset() noexcept;

private:
  friend class memory_segment;
  mapping(std::byte* data, std::size_t size) noexcept : data_(data), size_(size) {}

  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Owns anonymous memory that processes can share: a descriptor, by which it is handed over, whose memory is
/// given back when the last descriptor and mapping of it are gone (memfd_create(2)). Close-on-exec.
///
/// All functions but the noexcept ones throw std::system_error that names the operation and the size. Memory
/// that is written by a mapping has to be allocated before: a page that can't be had is SIGBUS there.
class memory_segment {
public:
  memory_segment() = default;
  explicit memory_segment(unique_fd fd) noexcept : fd_(static_cast<unique_fd&&>(fd)) {}
  /// An empty one. @p name is what /proc shows.
  static memory_segment create(const char* name);

  explicit operator bool() const noexcept { return bool(fd_); }
  int fd() const noexcept { return fd_.get(); }
  unique_fd release() noexcept { return static_cast<unique_fd&&>(fd_); }

  std::size_t size() const;
  /// Makes it @p size bytes large, and gets all of its memory: using it never fails afterwards.
  void allocate(std::size_t size);
  /// Writes at @p offset; grows it as needed.
  void write(const void* data, std::size_t size, std::size_t offset);
  /// Maps the first @p size bytes. @p size is not 0, and the segment has to have them.
  mapping map(std::size_t size, os::access access, os::sharing sharing, os::population population) const;

  /// From here on nobody can change its size (any sealing), nor its contents. There must be no
  /// shared mapping for writing.
  void seal();
  /// Nobody can change its size any more; mappings for writing stay and can be made.
  void seal_size();
  /// @returns whether its size can't change / neither its size nor its contents can change.
  bool size_is_sealed() const noexcept;
  bool is_sealed() const noexcept;

private:
  unique_fd fd_;
};

} // namespace coproc::os
