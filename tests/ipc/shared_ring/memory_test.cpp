// The memory of a ring: where its blocks end, how it grows, is given back, and runs out.
#include "ipc/shared_ring.hpp"

#include "ipc/ring_support.hpp"
#include "ipc/shared_blocks.hpp"
#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/fault.hpp"
#include "support/forked.hpp"
#include "support/leak_check.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <random>
#include <system_error>
#include <utility>
#include <vector>

#include <sys/resource.h>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(shared_ring_memory)

using coproc::detail::ring_layout;
using coproc::detail::shared_blocks;
using ring_type = coproc::detail::shared_ring;

BOOST_AUTO_TEST_CASE(blocks_end_at_every_offset) {
  // Fills a block up to each of its last bytes, and lets items of about that size cross its end.
  const std::size_t room = shared_blocks::usual_size - shared_blocks::head - shared_blocks::tail;
  for (std::size_t left = 0; left <= 200; left += 8) {
    for (std::size_t size : {left - 9, left - 8, left - 7, left, left + 8}) {
      if (size > 300) continue; // below 0
      ring_type ring(0);
      const auto filling = stamped::make((room - left) / 4 / 8 * 8 - 8, 1);
      std::size_t used = 0;
      unsigned count = 0;
      for (; count != 3; ++count, used += filling.size() + 8) put(ring, filling);
      const auto last = stamped::make(room - left - used - 8, 2);
      put(ring, last);
      put(ring, stamped::make(size, 3));
      put(ring, stamped::make(5, 4));
      byte_sink sink;
      for (unsigned i = 0; i != count; ++i) ring.try_get(sink, never);
      BOOST_TEST(stamped::is(sink.bytes, 1));
      ring.try_get(sink, never);
      BOOST_TEST((sink.bytes == last));
      BOOST_TEST(is_done(ring.try_get(sink, never)));
      BOOST_TEST((sink.bytes == stamped::make(size, 3)), "left " << left << " size " << size);
      BOOST_TEST(is_done(ring.try_get(sink, never)));
      BOOST_TEST((sink.bytes == stamped::make(5, 4)));
    }
  }
}

BOOST_AUTO_TEST_CASE(steady_traffic_stays_in_a_few_blocks) {
  ring_type ring(0);
  ring_memory memory(ring);
  byte_sink sink;
  const auto item = stamped::make(1000, 1);
  for (int i = 0; i != 20'000; ++i) {
    put(ring, item);
    if (i >= 30) ring.try_get(sink, never);
    if (i % 1000 == 0) BOOST_TEST(stamped::is(sink.bytes, 1));
  }
  BOOST_TEST(memory.size_now() <= 5 * shared_blocks::usual_size);
}

BOOST_AUTO_TEST_CASE(random_traffic_keeps_its_order_and_does_not_grow_for_ever) {
  std::mt19937 random(3);
  ring_type ring(0);
  ring_memory memory(ring);
  std::deque<std::pair<std::size_t, unsigned>> model;
  std::size_t bytes = 0, most = 0;
  for (unsigned i = 0; i != 8'000; ++i) {
    const bool put_one = model.empty() || (bytes < 4'000'000 && random() % 2);
    if (put_one) {
      const std::size_t size = random() % 3 ? random() % 200 : random() % 150'000;
      put(ring, stamped::make(size, i));
      model.emplace_back(size, i);
      bytes += size;
      most = std::max(most, bytes);
    } else {
      byte_sink sink;
      BOOST_REQUIRE(is_done(ring.try_get(sink, never)));
      BOOST_REQUIRE(sink.bytes.size() == model.front().first);
      BOOST_REQUIRE(stamped::is(sink.bytes, model.front().second));
      bytes -= model.front().first;
      model.pop_front();
    }
    BOOST_REQUIRE(ring.size() == model.size());
  }
  BOOST_TEST(memory.size_now() < 6 * most, memory.size_now() << " for " << most);
}

BOOST_AUTO_TEST_CASE(more_free_pieces_than_the_table_holds) {
  // Small and large blocks in turn; then only what is too large for the small ones.
  ring_type ring(0);
  ring_memory memory(ring);
  const unsigned count = 3 * ring_layout::most_extents;
  byte_sink sink;
  for (int round = 0; round != 3; ++round) {
    for (unsigned i = 0; i != count; ++i)
      put(ring, stamped::make(17'000 + (i * 7919 + unsigned(round) * 131) % 90'000, i));
    for (unsigned i = 0; i != count; ++i) {
      ring.try_get(sink, never);
      BOOST_REQUIRE(stamped::is(sink.bytes, i));
      if (i % 2) {
        put(ring, stamped::make(40'000, i));
        put(ring, stamped::make(20'000, i));
      }
    }
    while (is_done(ring.try_get(sink, never))) {
    }
  }
  BOOST_TEST(memory.size_now() < 200'000'000u);
}

BOOST_AUTO_TEST_CASE(memory_of_a_burst_is_given_back) {
  ring_type ring(0);
  ring_memory memory(ring);
  const auto item = stamped::make(1'000'000, 1);
  for (int i = 0; i != 200; ++i) put(ring, item);
  BOOST_TEST(memory.resident() >= 200'000'000u);
  byte_sink sink;
  for (int i = 0; i != 200; ++i) ring.try_get(sink, never);
  BOOST_TEST(stamped::is(sink.bytes, 1));
  for (int i = 0; i != 3; ++i) { // getters and putters move on
    put(ring, item);
    ring.try_get(sink, never);
  }
  BOOST_TEST(memory.resident() <= shared_blocks::kept + 5'000'000);
  for (int i = 0; i != 200; ++i) put(ring, item); // and can be had again
  for (int i = 0; i != 200; ++i) {
    BOOST_REQUIRE(is_done(ring.try_get(sink, never)));
    BOOST_REQUIRE(sink.bytes == item);
  }
}

BOOST_AUTO_TEST_CASE(no_memory_is_an_error_and_the_queue_stays_whole) {
  ring_type ring(0);
  const auto item = stamped::make(10'000, 1);
  std::size_t count = 0;
  for (; count != 500; ++count) put(ring, item);
  {
    fault out(coproc::os::call::fallocate, ENOSPC);
    try {
      for (;; ++count) put(ring, item);
    } catch (const std::system_error& e) {
      BOOST_TEST((e.code() == std::errc::no_space_on_device));
      CHECK_CONTAINS(e.what(), "bytes of shared memory");
    }
    BOOST_TEST(out.hits() == 2u); // much, then as little as possible
  }
  {
    fault out(coproc::os::call::mmap, ENOMEM);
    BOOST_CHECK_THROW(put(ring, stamped::make(1'000'000, 2)), std::system_error);
    BOOST_TEST(out.hits() > 0u);
  }
  BOOST_TEST(ring.size() == count);
  put(ring, item);
  byte_sink sink;
  for (std::size_t i = 0; i != count + 1; ++i) {
    BOOST_REQUIRE(is_done(ring.try_get(sink, never)));
    BOOST_REQUIRE(sink.bytes == item);
  }
}

BOOST_AUTO_TEST_CASE(the_file_size_limit_is_an_error_and_no_signal) {
  ring_type ring(0);
  forked child([&] {
    rlimit limit{10'000'000, 10'000'000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    try {
      for (;;) put(ring, stamped::make(100'000, 1));
    } catch (const std::system_error& e) {
      if (e.code() != std::errc::file_too_large || !contains(e.what(), "RLIMIT_FSIZE")) throw;
    }
  });
  BOOST_TEST(child.ended_well());
  BOOST_TEST(ring.size() > 90u);
  const std::size_t count = ring.size();
  for (std::size_t i = 0; i != count; ++i) {
    byte_sink sink;
    BOOST_REQUIRE(is_done(ring.try_get(sink, never)));
    BOOST_REQUIRE(stamped::is(sink.bytes, 1));
  }
}

BOOST_AUTO_TEST_CASE(two_mappings_see_each_other_grow) {
  leak_check nothing_left;
  ring_type ring(0);
  ring_type other(duplicates(ring));
  byte_sink sink;
  for (unsigned round = 0; round != 6; ++round) {
    const std::size_t size = 100'000u << round;
    put(ring, stamped::make(size, round));
    put(other, stamped::make(size / 2, round));
    BOOST_TEST(is_done(other.try_get(sink, never)));
    BOOST_TEST((sink.bytes == stamped::make(size, round)));
    BOOST_TEST(is_done(ring.try_get(sink, never)));
    BOOST_TEST((sink.bytes == stamped::make(size / 2, round)));
  }
}

// Whoever overwrites the memory brings about exceptions, and nothing worse.
BOOST_AUTO_TEST_CASE(overwritten_memory_is_an_error) {
  std::mt19937_64 random(11);
  std::size_t failures = 0;
  const std::size_t rounds = sanitized ? 300 : 1000;
  for (std::size_t round = 0; round != rounds; ++round) {
    ring_type ring(0);
    for (unsigned i = 0; i != 30; ++i) put(ring, stamped::make(random() % 9000, i));
    byte_sink sink;
    for (unsigned i = 0; i != 25; ++i) ring.try_get(sink, never);
    ring_memory memory(ring);
    // Anything behind the locks.
    auto& layout = memory.layout();
    std::vector<std::uint64_t*> targets;
    const auto add = [&](void* from, std::size_t size) {
      for (std::size_t i = 0; i + 8 <= size; i += 8)
        targets.push_back(reinterpret_cast<std::uint64_t*>(static_cast<std::byte*>(from) + i));
    };
    add(layout.putters.positions, sizeof layout.putters.positions);
    add(layout.getters.positions, sizeof layout.getters.positions);
    add(&layout.leaving, sizeof layout.leaving);
    add(&layout.backed_end, 4 * sizeof(std::uint64_t));
    add(layout.free, 4 * sizeof layout.free[0]);
    for (std::size_t at = (sizeof layout + 4095) / 4096 * 4096; at < memory.size(); at += 4096)
      add(memory.data() + at, 16);
    for (unsigned hits = 0; hits != 3; ++hits) {
      const std::uint64_t values[] = {0,
                                      random(),
                                      random() % memory.size() / 4096 * 4096,
                                      memory.size(),
                                      ~std::uint64_t{0},
                                      random() % memory.size()};
      *targets[random() % targets.size()] = values[random() % std::size(values)];
    }
    try {
      for (unsigned i = 0; i != 12; ++i) {
        if (random() % 2)
          put(ring, stamped::make(random() % 40'000, i));
        else
          ring.try_get(sink, never);
      }
    } catch (const std::system_error&) {
      ++failures;
    }
  }
  BOOST_TEST(failures > rounds / 10);
}

BOOST_AUTO_TEST_SUITE_END()
