#include "ipc/shared_ring.hpp"

#include "ipc/ring_support.hpp"
#include "ipc/shared_blocks.hpp"
#include "support/co_test.hpp"
#include "support/forked.hpp"

#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <stdexcept>
#include <thread>
#include <vector>

#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(shared_ring)

using coproc::detail::ring_gate;
using coproc::detail::ring_layout;
using coproc::detail::ring_result;
using coproc::detail::shared_blocks;
using ring_type = coproc::detail::shared_ring;

BOOST_AUTO_TEST_CASE(items_of_all_sizes_come_back_in_order) {
  ring_type ring(0);
  const std::size_t usual = shared_blocks::usual_size;
  const std::vector<std::size_t> sizes{
      0,          1,     7,         8,         9, 63, 64, 4096, usual / 4 - 1, usual / 4, usual / 4 + 1,
      usual - 64, usual, usual + 1, 1'000'000, 0, 3};
  unsigned seed = 0;
  for (std::size_t size : sizes) BOOST_TEST(is_done(put(ring, stamped::make(size, seed++))));
  BOOST_TEST(ring.size() == sizes.size());
  seed = 0;
  for (std::size_t size : sizes) {
    byte_sink sink;
    BOOST_TEST(is_done(ring.try_get(sink, never)));
    BOOST_TEST(sink.bytes.size() == size);
    BOOST_TEST(stamped::is(sink.bytes, seed++));
  }
  BOOST_TEST(ring.size() == 0u);
}

BOOST_AUTO_TEST_CASE(items_of_a_hundred_megabytes) {
  ring_type ring(2);
  const auto item = stamped::make(100'000'000, 1);
  forked producer([&] {
    for (int i = 0; i != 3; ++i) put(ring, item);
  });
  for (int i = 0; i != 3; ++i) {
    byte_sink sink;
    BOOST_TEST(is_done(ring.get(sink, in(60s))));
    BOOST_TEST((sink.bytes == item));
  }
  BOOST_TEST(producer.ended_well());
}

BOOST_AUTO_TEST_CASE(maxsize_counts_items) {
  ring_type ring(3);
  for (int i = 0; i != 3; ++i) BOOST_TEST(is_done(ring.try_put(bytes_of(i), never)));
  BOOST_TEST(ring.full());
  BOOST_TEST((ring.try_put(bytes_of(3), never) == ring_result::not_yet));
  BOOST_TEST((ring.put(bytes_of(3), in(5ms)) == ring_result::not_yet));
  BOOST_TEST(get<int>(ring) == 0);
  BOOST_TEST(!ring.full());
  BOOST_TEST(is_done(ring.try_put(bytes_of(3), never)));
}

BOOST_AUTO_TEST_CASE(counts_wrap_around) {
  ring_type ring(5);
  {
    ring_memory memory(ring);
    ring_layout& layout = memory.layout();
    const std::uint32_t near_the_end = 0u - 6 * ring_layout::one_item;
    layout.put = layout.got = layout.done = near_the_end;
    layout.putters.other_count = layout.getters.other_count = near_the_end;
  }
  for (int i = 0; i != 40; ++i) {
    for (int j = 0; j != 5; ++j) BOOST_TEST(is_done(ring.try_put(bytes_of(i + j), never)));
    BOOST_TEST(ring.full());
    BOOST_TEST((ring.try_put(bytes_of(0), never) == ring_result::not_yet));
    for (int j = 0; j != 5; ++j) {
      BOOST_TEST(get<int>(ring) == i + j);
      BOOST_TEST(ring.size() == std::size_t(4 - j));
      BOOST_TEST(is_done(ring.task_done(never)));
    }
    BOOST_TEST((ring.task_done(never) == ring_result::not_yet));
  }
}

class throwing_sink final : public coproc::detail::item_sink {
public:
  void take(std::span<const std::byte>) override { throw std::bad_alloc(); }
};

BOOST_AUTO_TEST_CASE(a_sink_that_throws_leaves_the_item) {
  ring_type ring(0);
  put(ring, 5);
  throwing_sink sink;
  BOOST_CHECK_THROW(ring.try_get(sink, never), std::bad_alloc);
  BOOST_TEST(get<int>(ring) == 5);
}

// With seccomp's strict mode any system call but read, write and exit kills the process.
BOOST_AUTO_TEST_CASE(makes_no_system_call_while_nobody_waits) {
  if (sanitized) return;
  ring_type ring(100);
  {
    // The table of blocks is warm, and somebody has waited once.
    byte_sink sink;
    BOOST_TEST((ring.get(sink, in(1ms)) == ring_result::not_yet));
    BOOST_TEST((ring.arm(ring_gate::items) == ring_result::not_yet));
    for (int i = 0; i != 2000; ++i) {
      put(ring, stamped::make(64, 1));
      ring.try_get(sink, never);
    }
  }
  forked child([&] {
    byte_sink sink;
    sink.bytes.reserve(64);
    const auto item = stamped::make(64, 1);
    if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) return;
    bool good = true;
    for (int i = 0; i != 10'000; ++i) {
      for (int j = 0; j != 10; ++j) good = good && is_done(ring.put(item, never));
      good = good && ring.size() == 10;
      for (int j = 0; j != 10; ++j) good = good && is_done(ring.get(sink, never));
    }
    ::syscall(SYS_exit, good ? 0 : 1);
  });
  BOOST_TEST(child.wait() == 0);
}

BOOST_AUTO_TEST_CASE(an_idle_consumer_burns_no_cpu) {
  ring_type ring(0);
  forked consumer([&] {
    byte_sink sink;
    ring.get(sink, never);
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const long microseconds =
        used.ru_utime.tv_usec + used.ru_stime.tv_usec + 1'000'000 * used.ru_utime.tv_sec;
    if (microseconds > 50'000 || used.ru_nvcsw > 20) throw std::runtime_error("busy");
  });
  std::this_thread::sleep_for(300ms);
  put(ring, 1);
  BOOST_TEST(consumer.ended_well());
}

BOOST_AUTO_TEST_SUITE_END()
