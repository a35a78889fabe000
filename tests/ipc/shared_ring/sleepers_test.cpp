// Those who sleep at a ring, and those who are stopped: who is woken, and who has to wait for whom.
#include "ipc/shared_ring.hpp"

#include "ipc/shared_ring/sleepers.hpp"
#include "support/co_test.hpp"
#include "support/forked.hpp"
#include "support/process_info.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <signal.h>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(shared_ring_sleepers)

using coproc::detail::ring_gate;
using coproc::detail::ring_result;
using ring_type = coproc::detail::shared_ring;

BOOST_AUTO_TEST_CASE(close_wakes_who_sleeps) {
  ring_type ring(0);
  sleeping_getter getter(ring);
  BOOST_TEST(getter.asleep());
  ring.close();
  BOOST_TEST(!getter.ends()); // with an exception
  BOOST_TEST(getter.gone());
}

BOOST_AUTO_TEST_CASE(the_one_that_was_woken_is_killed) {
  for (int round = 0; round != 10; ++round) {
    ring_type ring(0);
    sleeping_getter first(ring), second(ring);
    BOOST_TEST((first.asleep() && second.asleep()));
    // It can't act on the wake-up any more when the item comes.
    first.process().signal(SIGSTOP);
    BOOST_TEST(soon([&] { return process_state_of(first.pid()) == 'T'; }));
    put(ring, std::uint64_t{1});
    BOOST_TEST(second.ends());
    first.process().signal(SIGKILL);
    check_works(ring, {});
  }
}

BOOST_AUTO_TEST_CASE(a_stopped_process_delays_and_no_more) {
  for (int ending : {SIGCONT, SIGKILL}) {
    auto ring = with_items(3);
    forked stopped([&] {
      stopping_sink sink;
      ring->get(sink, never);
    });
    BOOST_TEST(soon([&] { return process_state_of(stopped.pid()) == 'T'; }));
    BOOST_TEST(ring->size() == 3u);
    byte_sink sink;
    BOOST_TEST((ring->try_get(sink, ring_type::dont_sleep) == ring_result::busy));
    BOOST_TEST((ring->arm(ring_gate::room) == ring_result::busy));
    for (auto limit : {0ms, 30ms}) { // with none, too, it gives a lock the time in which most become free
      const auto before = std::chrono::steady_clock::now();
      BOOST_TEST((ring->get(sink, in(limit)) == ring_result::busy));
      BOOST_TEST((std::chrono::steady_clock::now() - before >= std::max(limit, ring_type::patience)));
    }
    put(*ring, std::uint64_t{3}); // the other side is free
    stopped.signal(ending);
    BOOST_TEST((stopped.wait() == 0) == (ending == SIGCONT));
    check_works(*ring, ending == SIGCONT ? std::vector<std::uint64_t>{1, 2, 3}
                                         : std::vector<std::uint64_t>{0, 1, 2, 3});
  }
}

BOOST_AUTO_TEST_SUITE_END()
