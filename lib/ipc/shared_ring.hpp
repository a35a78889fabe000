#pragma once

#include "ipc/shared_layout.hpp"
#include "os/event.hpp"
#include "os/futex.hpp"
#include "os/growing_memory.hpp"

#include <coproc/detail/shared_queue_core.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

namespace coproc::detail {

/// What those that use a ring wait for.
enum class ring_gate {
  items, ///< Getters: for an item.
  room,  ///< Putters: for fewer than maxsize items.
  done,  ///< join(): for as many task_done() as items.
};

enum class ring_result {
  done,
  not_yet, ///< Empty, full, or not done; in blocking calls: until the deadline.
  busy,    ///< Somebody else holds the lock, and the call was not to sleep, or not for longer.
  closed,
};

/// A queue of byte strings in anonymous shared memory, for any number of processes and threads, any of which
/// can be killed at any instruction. The algorithm of shared_queue, without its types and its event loop.
///
/// One robust lock for the putting side and one for the getting side: with one producer and one consumer
/// neither is contended. An item is written first, and becomes part of the queue by *one* store of the count
/// of items that were put; it ceases to be by one store of the count that were got. Of what else belongs to a
/// side (where the next item goes) there are two records; the count says which one holds. So whoever inherits
/// a lock finds the state either before or after an operation, and little to repair.
///
/// No wake-up is lost:
/// - A sleeper says so under the lock of the side that it waits for, and sleeps on that side's count. Where
///   somebody has said so, the count is not stored but added to by FUTEX_WAKE_OP, by which the kernel changes
///   it and wakes everybody in one step that a kill can't part. Everybody, since a kill can hit whom was
///   woken.
/// - A loop waits for an event (eventfd(2)), that is signalled *before* the store and cleared only under the
///   same lock by somebody who sees nothing there.
///
/// Items lie in blocks, which are chained in order. Putters manage the memory: the blocks that the getting
/// side has left are free. What is free is worth nothing: whoever inherits the putters' lock finds it out
/// again from the chain.
///
/// All functions are thread-safe. Those that throw a std::system_error had no memory, or met a segment that
/// somebody has overwritten (EBADMSG); the queue is as it was before.
class shared_ring {
public:
  /// @param maxsize how many items it holds; <= 0: as many as memory does.
  explicit shared_ring(std::ptrdiff_t maxsize);

  /// The memory, and the event of each gate.
  static constexpr std::size_t descriptor_count = 4;
  using descriptors = std::array<os::unique_fd, descriptor_count>;
  /// @returns them, for another process.
  std::array<int, descriptor_count> fds() const noexcept;
  /// Joins a ring that another process has made.
  explicit shared_ring(descriptors from);

  shared_ring(const shared_ring&) = delete;
  ~shared_ring();

  // Deadlines are those of waiting for a lock: os::no_deadline sleeps as long as it takes, `dont_sleep`
  // returns busy.
  static constexpr os::deadline dont_sleep = os::deadline::min();
  /// How long a lock is waited for even if the deadline has passed: others may be copying a large item.
  static constexpr std::chrono::milliseconds patience{20};

  ring_result try_put(std::span<const std::byte> item, os::deadline until);
  ring_result try_get(item_sink& sink, os::deadline until);
  /// @returns not_yet if there are as many of it as items already.
  ring_result task_done(os::deadline until);
  /// No more items go in. Harmless if it is closed already.
  void close();

  // These sleep until it is done. @returns not_yet, or busy, when the deadline has passed.
  ring_result put(std::span<const std::byte> item, os::deadline until);
  ring_result get(item_sink& sink, os::deadline until);
  ring_result wait_until_done(os::deadline until);

  /// Clears the event of a gate, so that it is signalled when the gate opens. Does not sleep.
  /// @returns done if it is open; not_yet: the event is to be waited for; busy.
  ring_result arm(ring_gate gate);
  /// @returns whether an attempt is worth it.
  bool looks_open(ring_gate gate) const noexcept { return is_open(gate); }
  int event(ring_gate gate) const noexcept { return events_[static_cast<std::size_t>(gate)].get(); }

  std::size_t size() const noexcept;
  /// @returns whether size() is at least maxsize.
  bool full() const noexcept { return size() >= limit_; }
  std::size_t unfinished() const noexcept;
  bool closed() const noexcept;

private:
  class side_lock;

  void attach();
  bool is_open(ring_gate gate) const noexcept;
  void sleep(ring_gate gate, os::deadline until);
  bool spin_for(ring_gate gate) noexcept;
  ring_layout::side& side_of(ring_gate gate) const noexcept;
  ring_layout::gate& gate_of(ring_gate gate) const noexcept;
  os::futex_word& word_of(ring_gate gate) const noexcept;
  void commit(ring_gate gate, std::uint32_t now);

  os::growing_memory memory_;
  std::array<os::unique_fd, 3> events_;
  ring_layout* shared_ = nullptr; // stays where it is
  std::size_t limit_ = 0;
  // Each is used under the lock of its side alone, which makes them as thread-safe as what they show.
  os::growing_view put_view_, get_view_, header_view_;
  std::atomic<unsigned> spins_{16}; // how long waiting awake has been worth it lately
};

} // namespace coproc::detail
