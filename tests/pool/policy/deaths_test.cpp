// What a death costs: one item, unless it is retried.
#include "pool/policy/world.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <cstddef>

using namespace coproc::test::policy_world;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(pool_policy_deaths)

BOOST_AUTO_TEST_CASE(a_death_fails_what_runs_and_nothing_else) {
  world w(limits_of(1));
  w.took = 1us;
  w.ask();
  w.start_all();
  w.work(w.worker(0));
  auto& finished = w.ask();
  auto& runs = w.ask();
  auto& waits = w.ask();
  BOOST_TEST(w.worker(0).todo.size() == 3u);
  w.begin(w.worker(0));
  w.finish(w.worker(0), true); // its result is not read when the worker dies
  w.begin(w.worker(0));
  w.die(w.worker(0));
  BOOST_TEST(finished.how[0] == "done");
  BOOST_TEST(runs.how[0] == "died");
  BOOST_TEST(waits.how[0] == "none");
  w.start_all();
  w.work(w.worker(0));
  BOOST_TEST(waits.how[0] == "done");
  BOOST_TEST(waits.starts[0] == 1);
  BOOST_TEST(w.rules.statistics().restarted == 1u);
}

BOOST_AUTO_TEST_CASE(a_death_in_a_chunk_fails_one_item) {
  world w(limits_of(1));
  auto& chunk = w.ask(5);
  w.start_all();
  w.work(w.worker(0));
  w.begin(w.worker(0));
  w.die(w.worker(0));
  w.start_all();
  while (!w.worker(0).todo.empty()) w.work(w.worker(0));
  BOOST_TEST(chunk.how[0] == "done");
  BOOST_TEST(chunk.how[1] == "died");
  for (std::size_t i = 2; i != 5; ++i) BOOST_TEST(chunk.how[i] == "done");
  for (int starts : chunk.starts) BOOST_TEST(starts == 1);
}

BOOST_AUTO_TEST_CASE(retries_start_again) {
  auto set = limits_of(1);
  set.retries = 2;
  world w(set);
  auto& chunk = w.ask(3);
  auto& single = w.ask();
  w.start_all();
  for (int i = 0; i != 2; ++i) {
    w.begin(w.worker(0));
    w.die(w.worker(0));
    w.start_all();
  }
  while (chunk.outcomes[2] == 0) w.work(w.worker(0));
  BOOST_TEST(chunk.how[0] == "done");
  BOOST_TEST(chunk.starts[0] == 3);
  BOOST_TEST(chunk.starts[1] == 1);
  for (int i = 0; i != 3; ++i) {
    BOOST_TEST(single.how[0] == "none");
    w.begin(w.worker(0));
    w.die(w.worker(0));
    w.start_all();
  }
  BOOST_TEST(single.how[0] == "died");
  BOOST_TEST(single.starts[0] == 3);
}

BOOST_AUTO_TEST_SUITE_END()
