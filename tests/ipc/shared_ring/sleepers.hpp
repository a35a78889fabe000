#pragma once

#include "ipc/ring_support.hpp"
#include "support/co_test.hpp"
#include "support/forked.hpp"
#include "support/process_info.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

/// Processes that wait at a ring, and what one looks at when they, or others, have been stopped or killed.
namespace coproc::test {

/// Waits until @p truth says yes; for what has no event of its own.
inline bool soon(const std::function<bool()>& truth) {
  const auto end = std::chrono::steady_clock::now() + deadline();
  while (!truth()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  return true;
}

/// A process that gets one item, and is asleep when the constructor returns.
class sleeping_getter {
public:
  explicit sleeping_getter(detail::shared_ring& ring)
      : child_([&ring] {
          byte_sink sink;
          if (!is_done(ring.get(sink, never))) throw std::runtime_error("closed");
        }) {
    ring_memory memory(ring);
    asleep_ = soon([&] {
      return memory.layout().putters.gates[0].sleepers != 0 && process_state_of(child_.pid()) == 'S';
    });
  }
  bool asleep() const { return asleep_; }
  bool ends() {
    gone_ = soon([&] { return process_state_of(child_.pid()) == 'Z'; });
    return gone_ && child_.ended_well();
  }
  bool gone() const { return gone_; }
  pid_t pid() const { return child_.pid(); }
  const forked& process() const { return child_; }

private:
  forked child_;
  bool asleep_ = false;
  bool gone_ = false;
};

/// The same for an item that is put.
class sleeping_putter {
public:
  explicit sleeping_putter(detail::shared_ring& ring)
      : child_([&ring] {
          if (!is_done(put(ring, std::uint64_t{99}))) throw std::runtime_error("closed");
        }) {
    ring_memory memory(ring);
    asleep_ = soon([&] {
      return memory.layout().getters.gates[0].sleepers != 0 && process_state_of(child_.pid()) == 'S';
    });
  }
  bool asleep() const { return asleep_; }
  bool ends() {
    bool ended = soon([&] { return process_state_of(child_.pid()) == 'Z'; });
    return ended && child_.ended_well();
  }

private:
  forked child_;
  bool asleep_ = false;
};

/// That the queue works, and holds nothing but those of @p expected.
inline void check_works(detail::shared_ring& ring, const std::vector<std::uint64_t>& expected) {
  using namespace std::chrono_literals;
  for (std::uint64_t value : expected) BOOST_TEST(get<std::uint64_t>(ring) == value);
  BOOST_TEST(ring.size() == 0u);
  BOOST_TEST(is_done(ring.try_put(bytes_of(std::uint64_t{1000}), in(5s))));
  BOOST_TEST(is_done(ring.try_put(bytes_of(stamped::make(200'000, 5)), in(5s))));
  BOOST_TEST(is_done(ring.try_put(bytes_of(std::uint64_t{1001}), in(5s))));
  BOOST_TEST(get<std::uint64_t>(ring) == 1000u);
  byte_sink sink;
  BOOST_TEST(is_done(ring.try_get(sink, in(5s))));
  BOOST_TEST((sink.bytes == stamped::make(200'000, 5)));
  BOOST_TEST(get<std::uint64_t>(ring) == 1001u);
  BOOST_TEST(ring.size() == 0u);
}

inline std::unique_ptr<detail::shared_ring> with_items(std::uint64_t count, std::ptrdiff_t maxsize = 0) {
  auto ring = std::make_unique<detail::shared_ring>(maxsize);
  for (std::uint64_t i = 0; i != count; ++i) put(*ring, i);
  return ring;
}

} // namespace coproc::test
