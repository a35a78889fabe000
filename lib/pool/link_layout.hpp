#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace coproc::detail {

// What the pool and one of its workers share: a page with two rings, and a packet socket for descriptors,
// what is too large for a ring, and to wake the host; the worker sleeps on a word of the page (futex(2)),
// which costs less. The rings have one writer and one reader each. What a worker has started and finished is
// in this memory and not in its own, so that it outlives it: nothing is lost or started twice when it is
// killed between any two instructions.

inline constexpr std::size_t task_ring_size = 128 * 1024;
inline constexpr std::size_t result_ring_size = 128 * 1024;
/// What is larger, or has descriptors, goes through the socket.
inline constexpr std::size_t largest_in_ring = 16 * 1024;

/// What a worker has started: the unit's sequence number and how many of its items. It goes on by
/// compare-exchange only, so that the host can freeze it: nothing starts any more, and what has been started
/// is exact. To thaw it, the host changes the epoch, lest a worker that was about to start something before
/// the freeze takes the same state after it for the old one.
struct claim {
  static constexpr std::uint64_t frozen = std::uint64_t(1) << 63;
  static constexpr unsigned epoch_shift = 48, sequence_shift = 24;
  static constexpr std::uint64_t epoch_mask = 0x7fff, low_mask = 0xff'ffff;

  static constexpr std::uint64_t sequence(std::uint64_t word) { return (word >> sequence_shift) & low_mask; }
  static constexpr std::uint32_t items(std::uint64_t word) {
    return static_cast<std::uint32_t>(word & low_mask);
  }
  static constexpr std::uint64_t epoch(std::uint64_t word) { return (word >> epoch_shift) & epoch_mask; }
  static constexpr std::uint64_t next(std::uint64_t word, std::uint64_t sequence, std::uint32_t items) {
    return (epoch(word) << epoch_shift) | ((sequence & low_mask) << sequence_shift) | items;
  }
  static constexpr std::uint64_t thawed(std::uint64_t word) {
    return (((epoch(word) + 1) & epoch_mask) << epoch_shift) |
           (word & ((std::uint64_t(1) << epoch_shift) - 1));
  }
};
inline constexpr std::uint32_t largest_unit = claim::low_mask; // items

/// In the place of the time when an item was started: it has finished, whether or not its result is there.
inline constexpr std::int64_t item_finished = std::numeric_limits<std::int64_t>::max();

struct link_page {
  // Written by the worker; `claimed` also by the host.
  alignas(64) std::atomic<std::uint64_t> claimed;
  /// Of the item; ns of the steady clock, and not later than its claim. Or item_finished.
  std::atomic<std::int64_t> started_at;
  alignas(64) std::atomic<std::uint64_t> tasks_read;
  std::atomic<std::uint32_t> sleeps;     ///< 1: it sleeps on this word. The host takes it to wake it.
  std::atomic<std::uint32_t> wants_room; ///< 1: it waits for the host to read results.
  alignas(64) std::atomic<std::uint64_t> results_written;
  std::atomic<std::uint64_t> open;    ///< Where a run of results is being filled, plus one; or 0.
  std::atomic<std::uint64_t> packets; ///< Of results, that it has sent or is about to.
  // Written by the host; `wake_at` also by the worker.
  alignas(64) std::atomic<std::uint64_t> tasks_written;
  alignas(64) std::atomic<std::uint64_t> results_read;
  std::atomic<std::uint64_t> wake_at; ///< The host sleeps until so many results are there; 0: it is awake.
  std::atomic<std::uint32_t> leave;   ///< 1: the worker is to end when it has nothing to do.
  alignas(64) std::byte tasks[task_ring_size];
  std::byte results[result_ring_size];
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

/// Entries begin at multiples of 16, so that their bytes, which come after 40 of a header, lie as those of a
/// message do (message_lead). One that does not fit before the end of the ring begins at its front.
inline constexpr std::uint32_t skip_to_front = 0xffff'ffff;

constexpr std::uint64_t aligned(std::uint64_t size) { return (size + 15) & ~std::uint64_t(15); }

struct task_entry {
  std::uint32_t total; ///< Of the entry; or skip_to_front.
  std::uint32_t flags;
  std::uint64_t sequence;
  std::uint32_t target; ///< Its number in the pool.
  std::uint32_t bytes;  ///< After this header.
  std::uint32_t first;  ///< Of its items; the bytes are those of all that its owner has.
  std::uint32_t count;
  std::atomic<std::uint32_t> revoked; ///< 1: no more of its items is to be started.
  std::uint32_t item_size;            ///< Of the bytes of one item; 0: there is one, or they are sized.

  static constexpr std::uint32_t in_packet = 1;  ///< The bytes come by the socket.
  static constexpr std::uint32_t definition = 2; ///< The bytes say what the target is.
  static constexpr std::uint32_t sized = 4;      ///< They end with the size of each item, and their number.
};

struct result_entry {
  std::uint32_t total;
  std::uint32_t flags;
  std::uint64_t sequence;
  std::atomic<std::uint64_t> progress; ///< Items << 32 | bytes after this header.
  std::uint32_t first;                 ///< Item of the unit's owner.
  std::uint32_t unused;
  std::int64_t busy; ///< What one item took, ns.

  static constexpr std::uint32_t in_packet = 1;
  static constexpr std::uint32_t failed = 2; ///< One item, whose bytes are its exceptions.
  static constexpr std::uint32_t last = 4;   ///< The unit is over.
  static constexpr std::uint32_t worn = 8;   ///< The worker has grown beyond its limit.
};
static_assert(sizeof(task_entry) == 40 && sizeof(result_entry) == 40);

/// The kinds of packets.
enum class link_packet : std::uint32_t { wake = 101, task, result };

/// What a worker is told at its start; with it come its end of the socket, and the page.
struct worker_settings {
  bool stamp_items = false; ///< For task_timeout.
  std::uint64_t max_rss = 0;
};

/// The bytes of a definition.
struct target_definition {
  std::uint32_t index = 0;
  std::uint64_t offset = 0;
};

} // namespace coproc::detail
