#include "ipc/ring_lock.hpp"
#include "ipc/shared_ring.hpp"
#include "os/pause.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace coproc::detail {

namespace {

using layout = ring_layout;

bool passed(os::deadline until) {
  return until != os::no_deadline && std::chrono::steady_clock::now() >= until;
}

} // namespace

ring_result shared_ring::arm(ring_gate gate) {
  side_lock lock(*shared_, side_of(gate), dont_sleep);
  if (!lock) return ring_result::busy;
  if (is_open(gate)) return ring_result::done;
  // In this order: whoever finds `signalled` relies on the event being set.
  const auto before = std::exchange(gate_of(gate).loops, layout::armed);
  if (before != layout::none) os::clear_event(event(gate));
  return ring_result::not_yet;
}

void shared_ring::sleep(ring_gate gate, os::deadline until) {
  if (spin_for(gate)) return;
  std::uint32_t ticket;
  {
    side_lock lock(*shared_, side_of(gate), until);
    if (!lock || is_open(gate)) return;
    gate_of(gate).sleepers = 1;
    ticket = word_of(gate).load(std::memory_order_relaxed);
  }
  os::futex_wait(word_of(gate), ticket, until);
}

/// Waits awake for a moment, which a wake-up takes many times as long as: for longer if that has been of use
/// lately. @returns whether it is open.
bool shared_ring::spin_for(ring_gate gate) noexcept {
  const unsigned most = spins_.load(std::memory_order_relaxed);
  for (unsigned i = 0; i < most; ++i) {
    os::pause(32); // each look takes the line of the cache away from who is about to write it
    if (!is_open(gate)) continue;
    spins_.store(std::min(most + 2, 64u), std::memory_order_relaxed);
    return true;
  }
  spins_.store(std::max(most - most / 4, 1u), std::memory_order_relaxed);
  return false;
}

ring_result shared_ring::put(std::span<const std::byte> item, os::deadline until) {
  for (;;) {
    const ring_result result = try_put(item, until);
    if (result == ring_result::done || result == ring_result::closed) return result;
    if (passed(until)) return result;
    sleep(ring_gate::room, until);
  }
}

ring_result shared_ring::get(item_sink& sink, os::deadline until) {
  for (;;) {
    const ring_result result = try_get(sink, until);
    if (result == ring_result::done || result == ring_result::closed) return result;
    if (passed(until)) return result;
    sleep(ring_gate::items, until);
  }
}

ring_result shared_ring::wait_until_done(os::deadline until) {
  while (!is_open(ring_gate::done)) {
    if (passed(until)) return ring_result::not_yet;
    sleep(ring_gate::done, until);
  }
  return ring_result::done;
}

} // namespace coproc::detail
