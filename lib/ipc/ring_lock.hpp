#pragma once

#include "ipc/shared_blocks.hpp"
#include "ipc/shared_ring.hpp"
#include "os/pause.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <utility>

namespace coproc::detail {

/// Holds the lock of a side; mends what its last owner may have left behind.
class shared_ring::side_lock {
public:
  side_lock(ring_layout& shared, ring_layout::side& side, os::deadline until) : side_(side) {
    using outcome = os::robust_mutex::outcome;
    outcome result = side.mutex.try_lock();
    // Most are held for a moment.
    for (unsigned round = 1; result == outcome::busy && round <= 64; round *= 2) {
      os::pause(round);
      result = side.mutex.try_lock();
    }
    if (result == outcome::busy && until != dont_sleep)
      result = side.mutex.lock(std::max<os::deadline>(until, std::chrono::steady_clock::now() + patience));
    if (result == outcome::broken) fail_corrupted();
    held_ = result != outcome::busy;
    if (result != outcome::inherited) return;
    if (&side == &shared.putters) {
      shared.stale = 1; // what is free was perhaps being counted
    } else {
      const std::uint32_t got = shared.got.load(std::memory_order_relaxed);
      shared.leaving.store(read_once(side.record(got).block), std::memory_order_release);
    }
    side.mutex.repaired();
  }
  side_lock(const side_lock&) = delete;
  ~side_lock() { unlock(); }

  explicit operator bool() const noexcept { return held_; }
  void unlock() noexcept {
    if (std::exchange(held_, false)) side_.mutex.unlock();
  }

private:
  ring_layout::side& side_;
  bool held_ = false;
};

} // namespace coproc::detail
