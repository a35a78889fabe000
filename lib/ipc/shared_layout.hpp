#pragma once

#include "os/futex.hpp"
#include "os/robust_mutex.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace coproc::detail {

/// The first pages of a shared ring. Offsets are from the start of the segment.
struct ring_layout {
  static constexpr std::uint64_t expected_magic = 0x31'67'6e'69'72'6f'63'01; // and its version
  static constexpr std::size_t line = 64;                                    // of the cache

  // The counts of items wrap around; bit 0 says that the queue is closed.
  static constexpr std::uint32_t closed_bit = 1;
  static constexpr std::uint32_t one_item = 2;
  static constexpr std::uint32_t most_items = 0x7fff'ffff;
  static constexpr std::uint32_t difference(std::uint32_t more, std::uint32_t less) noexcept {
    return ((more >> 1) - (less >> 1)) & most_items;
  }

  /// Where a side goes on: an offset in a block, which ends at `end`.
  struct position {
    std::uint64_t offset, block, end;
  };

  enum loop_state : std::uint32_t { none, armed, signalled };

  /// Who waits for a change of a count. Written under the lock of the side that makes the change.
  struct gate {
    std::uint32_t sleepers; ///< 1: somebody may sleep on the count
    loop_state loops;       ///< armed: a loop may wait for the event; signalled: the event is set, too.
  };

  struct alignas(line) side {
    os::robust_mutex mutex;
    gate gates[2];
    alignas(line) position positions[2]; ///< That of an even count, and that of an odd one.
    std::uint32_t other_count;           ///< The other side's count, as it was seen last.

    /// The one that holds when the count is @p count.
    position& record(std::uint32_t count) noexcept { return positions[(count >> 1) & 1]; }
  };

  struct extent {
    std::uint64_t offset, size;
  };

  std::uint64_t magic;
  std::uint64_t maxsize; ///< 0: unbounded

  side putters; ///< gates: [0] items
  side getters; ///< gates: [0] room, [1] done

  alignas(line) os::futex_word put;   ///< Items that were put, ever.
  alignas(line) os::futex_word got;   ///< Items that were got, ever.
  std::atomic<std::uint64_t> leaving; ///< The block that the getters are in; may lag behind.
  alignas(line) os::futex_word done;  ///< Calls of task_done(), ever.

  // The putters' knowledge of the memory.
  static constexpr std::size_t most_extents = 128;
  alignas(line) std::uint64_t backed_end; ///< Up to here there is memory.
  std::uint64_t oldest;                   ///< The first block that is in the chain, as far as is known.
  std::uint64_t lost;                     ///< Bytes that are free, but not in the table, for want of room.
  std::uint32_t stale;                    ///< 1: find out what is free.
  std::uint32_t extent_count;
  extent free[most_extents]; ///< By offset; never adjacent.

  /// The start of a block.
  struct block {
    std::uint64_t size;
    std::uint64_t next; ///< Valid as soon as an item of the next block has been put.
  };

  // Items: this word, and their bytes. All are aligned to 8.
  static constexpr std::uint64_t item_tag = 0xc0'00'00'00'00'00'00'00;
  static constexpr std::uint64_t jump_tag = 0xc1'00'00'00'00'00'00'00; ///< The next block goes on.
  static constexpr std::uint64_t tag_mask = 0xff'00'00'00'00'00'00'00;
};

static_assert(std::is_standard_layout_v<ring_layout>);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

} // namespace coproc::detail
