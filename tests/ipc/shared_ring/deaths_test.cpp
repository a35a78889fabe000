// What is left when a process dies in the middle of an operation on a ring, at any of its instructions.
//
// COPROC_DEATH_STEPS: every how many-th instruction to die at (1: all).
#include "ipc/shared_ring.hpp"

#include "ipc/ring_support.hpp"
#include "ipc/shared_blocks.hpp"
#include "ipc/shared_ring/sleepers.hpp"
#include "ipc/stepped.hpp"
#include "support/co_test.hpp"

#include <boost/test/results_collector.hpp>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include <poll.h>
#include <unistd.h>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(shared_ring_deaths)

using coproc::detail::ring_gate;
using coproc::detail::ring_result;
using coproc::detail::shared_blocks;
using ring_type = coproc::detail::shared_ring;

bool readable(int event) {
  pollfd look{event, POLLIN, 0};
  return ::poll(&look, 1, 0) == 1;
}

/// Lets a process die at every so many-th instruction of @p victim, each time on a fresh ring that @p prepare
/// has been called for, and calls @p check afterwards.
struct death {
  std::function<std::unique_ptr<ring_type>()> prepare;
  std::function<void(ring_type&)> victim;
  std::function<void(ring_type&)> check; // with the dead one
  std::size_t most = 30;                 // deaths, about; fewer under a sanitizer, with its many instructions

  void everywhere() const {
    long all = 0;
    {
      auto ring = prepare();
      stepped whole([] {}, [&] { victim(*ring); });
      if (!whole.possible()) {
        BOOST_TEST_MESSAGE("processes can't be traced here");
        return;
      }
      while (!whole.finished()) {
        whole.step(1);
        ++all;
      }
      whole.kill();
    }
    const long every = static_cast<long>(scale_from_environment("COPROC_DEATH_STEPS", 0));
    const long deaths = static_cast<long>(sanitized ? most / 3 : most);
    const long stride = every != 0 ? every : std::max(1L, all / deaths);
    // Another part of them in each run.
    for (long at = every == 1 ? 0 : ::getpid() % stride; at <= all; at += stride) {
      BOOST_TEST_INFO_SCOPE("dies at instruction " << at << " of " << all);
      auto ring = prepare();
      {
        stepped one([] {}, [&] { victim(*ring); });
        one.step(at);
        one.kill();
      }
      check(*ring);
      const auto& test = boost::unit_test::framework::current_test_case();
      if (!boost::unit_test::results_collector.results(test.p_id).passed()) return;
    }
  }
};

BOOST_AUTO_TEST_CASE(a_put) {
  death{
      [] { return with_items(2); }, [](ring_type& ring) { put(ring, std::uint64_t{2}); },
      [](ring_type& ring) {
        const std::size_t size = ring.size();
        BOOST_TEST((size == 2 || size == 3));
        check_works(ring, size == 3 ? std::vector<std::uint64_t>{0, 1, 2} : std::vector<std::uint64_t>{0, 1});
      }}
      .everywhere();
}

/// An item that leaves 16 bytes of a fresh block.
std::vector<std::byte> nearly_a_block() {
  return stamped::make(shared_blocks::usual_size - shared_blocks::head - shared_blocks::tail - 24, 3);
}

// (An item that is copied by instructions that are many at once, as `rep movsb`, would take as many steps: so
// those that are put by a process that dies are small.)
BOOST_AUTO_TEST_CASE(put_that_needs_memory) {
  death{[&] {
          auto ring = std::make_unique<ring_type>(0);
          put(*ring, nearly_a_block());
          return ring;
        },
        [&](ring_type& ring) {
          put(ring, std::uint64_t{2});
          put(ring, std::uint64_t{3});
        },
        [&](ring_type& ring) {
          const std::size_t size = ring.size();
          byte_sink sink;
          BOOST_TEST(is_done(ring.try_get(sink, in(5s))));
          BOOST_TEST((sink.bytes == nearly_a_block()));
          std::vector<std::uint64_t> left;
          for (std::uint64_t i = 0; i != size - 1; ++i) left.push_back(2 + i);
          check_works(ring, left);
          ring_memory memory(ring);
          BOOST_TEST(memory.size_now() < 1'000'000u);
        }}
      .everywhere();
}

BOOST_AUTO_TEST_CASE(put_that_reuses_blocks) {
  const auto piece = nearly_a_block();
  death{[&] {
          auto ring = std::make_unique<ring_type>(0);
          byte_sink sink;
          for (int i = 0; i != 9; ++i) put(*ring, piece);
          for (int i = 0; i != 8; ++i) ring->try_get(sink, never);
          return ring;
        },
        [&](ring_type& ring) { put(ring, std::uint64_t{2}); },
        [&](ring_type& ring) {
          const std::size_t size = ring.size();
          BOOST_TEST((size == 1 || size == 2));
          byte_sink sink;
          for (int i = 0; i != 20; ++i) put(ring, piece);
          for (std::size_t i = 0; i != size + 20; ++i) {
            BOOST_TEST(is_done(ring.try_get(sink, in(5s))));
            if (i == 1 && size == 2)
              BOOST_TEST(sink.bytes.size() == 8u);
            else
              BOOST_TEST((sink.bytes == piece));
          }
          check_works(ring, {});
        }}
      .everywhere();
}

BOOST_AUTO_TEST_CASE(a_get) {
  death{
      [] { return with_items(3); },
      [](ring_type& ring) {
        byte_sink sink;
        ring.get(sink, never);
      },
      [](ring_type& ring) {
        const std::size_t size = ring.size();
        BOOST_TEST((size == 2 || size == 3));
        check_works(ring, size == 3 ? std::vector<std::uint64_t>{0, 1, 2} : std::vector<std::uint64_t>{1, 2});
      }}
      .everywhere();
}

BOOST_AUTO_TEST_CASE(get_from_the_next_block) {
  death{[&] {
          auto ring = std::make_unique<ring_type>(0);
          put(*ring, nearly_a_block());
          put(*ring, std::uint64_t{7});
          put(*ring, std::uint64_t{8});
          byte_sink sink;
          ring->try_get(sink, never);
          return ring;
        },
        [](ring_type& ring) {
          byte_sink sink;
          ring.get(sink, never);
        },
        [&](ring_type& ring) {
          const std::size_t size = ring.size();
          BOOST_TEST((size == 1 || size == 2));
          check_works(ring, size == 2 ? std::vector<std::uint64_t>{7, 8} : std::vector<std::uint64_t>{8});
        }}
      .everywhere();
}

BOOST_AUTO_TEST_CASE(task_done_and_join) {
  death{[] {
          auto ring = with_items(1);
          get<std::uint64_t>(*ring);
          BOOST_TEST((ring->arm(ring_gate::done) == ring_result::not_yet));
          return ring;
        },
        [](ring_type& ring) { ring.task_done(never); },
        [](ring_type& ring) {
          if (ring.unfinished() == 0)
            BOOST_TEST(readable(ring.event(ring_gate::done)));
          else
            BOOST_TEST(is_done(ring.task_done(in(5s))));
          BOOST_TEST(is_done(ring.wait_until_done(in(5s))));
          check_works(ring, {});
        }}
      .everywhere();
}

BOOST_AUTO_TEST_CASE(a_close) {
  death{[] {
          auto ring = with_items(1, 1);
          BOOST_TEST((ring->arm(ring_gate::room) == ring_result::not_yet));
          return ring;
        },
        [](ring_type& ring) { ring.close(); },
        [](ring_type& ring) {
          BOOST_TEST(get<std::uint64_t>(ring) == 0u);
          byte_sink sink;
          if (ring.closed()) {
            BOOST_TEST((ring.try_get(sink, in(5s)) == ring_result::closed));
            BOOST_TEST((ring.try_put(bytes_of(1), in(5s)) == ring_result::closed));
          } else {
            BOOST_TEST(is_done(ring.try_put(bytes_of(std::uint64_t{3}), in(5s))));
            BOOST_TEST(get<std::uint64_t>(ring) == 3u);
            ring.close();
            BOOST_TEST((ring.try_get(sink, in(5s)) == ring_result::closed));
          }
        }}
      .everywhere();
}

// No wake-up is lost: either nothing has happened, or those who wait learn of it with no help.

BOOST_AUTO_TEST_CASE(put_while_a_getter_sleeps) {
  std::unique_ptr<sleeping_getter> getter;
  death{[&] {
          auto ring = std::make_unique<ring_type>(0);
          getter = std::make_unique<sleeping_getter>(*ring);
          BOOST_TEST(getter->asleep());
          return ring;
        },
        [](ring_type& ring) { put(ring, std::uint64_t{2}); },
        [&](ring_type& ring) {
          ring_memory memory(ring);
          if (memory.layout().put == 0) put(ring, std::uint64_t{3});
          BOOST_TEST(getter->ends());
          check_works(ring, {});
        }}
      .everywhere();
}

BOOST_AUTO_TEST_CASE(put_while_a_loop_waits) {
  death{[&] {
          auto ring = std::make_unique<ring_type>(0);
          BOOST_TEST((ring->arm(ring_gate::items) == ring_result::not_yet));
          return ring;
        },
        [](ring_type& ring) { put(ring, std::uint64_t{2}); },
        [&](ring_type& ring) {
          if (ring.size() == 0) {
            // It may have been signalled; whoever finds nothing clears it.
            BOOST_TEST((ring.arm(ring_gate::items) == ring_result::not_yet));
            BOOST_TEST(!readable(ring.event(ring_gate::items)));
            put(ring, std::uint64_t{2});
          }
          BOOST_TEST(readable(ring.event(ring_gate::items)));
          check_works(ring, {2});
        }}
      .everywhere();
}

BOOST_AUTO_TEST_CASE(get_while_a_putter_sleeps) {
  std::unique_ptr<sleeping_putter> putter;
  death{[&] {
          auto ring = with_items(1, 1);
          putter = std::make_unique<sleeping_putter>(*ring);
          BOOST_TEST(putter->asleep());
          return ring;
        },
        [](ring_type& ring) {
          byte_sink sink;
          ring.get(sink, never);
        },
        [&](ring_type& ring) {
          ring_memory memory(ring);
          if (memory.layout().got == 0) BOOST_TEST(get<std::uint64_t>(ring) == 0u);
          BOOST_TEST(putter->ends());
          BOOST_TEST(get<std::uint64_t>(ring) == 99u);
        }}
      .everywhere();
}

BOOST_AUTO_TEST_CASE(going_to_sleep) {
  // A getter that dies on its way to sleep; the first instructions are those of waiting awake.
  death{[] { return std::make_unique<ring_type>(0); },
        [](ring_type& ring) {
          byte_sink sink;
          ring.get(sink, in(1ms));
        },
        [](ring_type& ring) { check_works(ring, {}); }, 40}
      .everywhere();
}

BOOST_AUTO_TEST_CASE(arming_an_event) {
  death{[] {
          auto ring = std::make_unique<ring_type>(0);
          BOOST_TEST((ring->arm(ring_gate::items) == ring_result::not_yet));
          put(*ring, std::uint64_t{1});
          get<std::uint64_t>(*ring);
          return ring; // signalled, and to be cleared
        },
        [](ring_type& ring) { ring.arm(ring_gate::items); },
        [](ring_type& ring) {
          BOOST_TEST((ring.arm(ring_gate::items) == ring_result::not_yet));
          BOOST_TEST(!readable(ring.event(ring_gate::items)));
          put(ring, std::uint64_t{5});
          BOOST_TEST(readable(ring.event(ring_gate::items)));
          check_works(ring, {5});
        }}
      .everywhere();
}

BOOST_AUTO_TEST_SUITE_END()
