#pragma once

#include "ipc/shared_layout.hpp"
#include "os/growing_memory.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

namespace coproc::detail {

/// @throws std::system_error (EBADMSG): what is in the segment can't be true.
[[noreturn]] void fail_corrupted();

/// Reads a word that others can overwrite at any time: once, so that what was checked is what is used.
template <class T>
T read_once(const T& word) noexcept {
  T value;
  __atomic_load(&word, &value, __ATOMIC_RELAXED);
  return value;
}

/// The memory of a shared ring, as the putting side manages it: to be used under the putters' lock.
class shared_blocks {
public:
  static constexpr std::size_t page = 4096;
  static constexpr std::size_t usual_size = 64 * 1024;
  static constexpr std::size_t head = sizeof(ring_layout::block);
  static constexpr std::size_t tail = sizeof(std::uint64_t); ///< For the jump to the next block.
  /// Items beyond this get a block of their own size rather than a part of a usual one.
  static constexpr std::size_t large = usual_size / 4;
  /// Free memory at the end of the segment that is kept for later.
  static constexpr std::size_t kept = 64 * 1024 * 1024;

  shared_blocks(ring_layout& layout, os::growing_memory& memory, os::growing_view& view)
      : layout_(layout), memory_(memory), view_(view) {}

  /// @returns the offset of a new block for an item of @p size bytes, tag included; not in the chain yet.
  /// @param tail_block the last one that is.
  /// @throws std::system_error if there is no memory.
  std::uint64_t take(std::uint64_t size, std::uint64_t tail_block);

  ring_layout::block& at(std::uint64_t offset) const;

private:
  void collect(std::uint64_t tail_block);
  void rebuild(std::uint64_t tail_block);
  void trim() noexcept;
  std::uint64_t find(std::uint64_t size) noexcept;
  std::uint64_t grow(std::uint64_t size);
  void give_back(std::uint64_t offset, std::uint64_t size);
  std::uint64_t size_of(std::uint64_t block) const;
  void check_length(std::size_t blocks) const;

  ring_layout& layout_;
  os::growing_memory& memory_;
  os::growing_view& view_;
};

} // namespace coproc::detail
