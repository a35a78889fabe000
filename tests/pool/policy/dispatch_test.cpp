// Which worker is handed what, and when; what is taken back or shared.
#include "pool/policy/world.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <vector>

using namespace coproc::test::policy_world;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(pool_policy_dispatch)

BOOST_AUTO_TEST_CASE(workers_are_started_when_first_needed) {
  world w(limits_of(4));
  BOOST_TEST(w.starting.empty());
  w.ask();
  BOOST_TEST(w.starting.size() == 1u);
  w.ask();
  w.ask();
  BOOST_TEST(w.starting.size() == 3u);
  for (int i = 0; i != 5; ++i) w.ask();
  BOOST_TEST(w.starting.size() == 4u);
}

BOOST_AUTO_TEST_CASE(an_idle_worker_is_used_again) {
  world w(limits_of(4));
  for (int i = 0; i != 10; ++i) {
    auto& a = w.ask();
    w.start_all();
    w.work(w.worker(0));
    BOOST_TEST(a.how[0] == "done");
  }
  BOOST_TEST(w.workers.size() == 1u);
  BOOST_TEST(w.rules.statistics().completed == 10u);
}

BOOST_AUTO_TEST_CASE(no_more_than_size_run_at_once) {
  world w(limits_of(2));
  for (int i = 0; i != 3; ++i) w.ask();
  w.ask_program();
  w.start_all();
  BOOST_TEST(w.workers.size() == 2u);
  for (auto& [who, s] : w.workers) BOOST_TEST(w.begin(*s));
  BOOST_TEST(w.running() == 2u);
  BOOST_TEST(w.rules.statistics().queued == 2u);
  w.now += 10ms;
  w.finish(w.worker(0));
  w.begin(w.worker(0));
  BOOST_TEST(w.programs.empty());
  w.finish(w.worker(1));
  BOOST_TEST(w.programs.size() == 1u);
  BOOST_TEST(w.running() == 2u);
}

BOOST_AUTO_TEST_CASE(long_tasks_are_not_handed_ahead) {
  world w(limits_of(1));
  for (int i = 0; i != 5; ++i) w.ask();
  w.start_all();
  for (int i = 0; i != 5; ++i) {
    BOOST_TEST(w.worker(0).todo.size() == 1u);
    w.work(w.worker(0));
  }
}

BOOST_AUTO_TEST_CASE(short_tasks_are_handed_ahead_within_the_budget) {
  auto set = limits_of(1);
  set.budget = 300us;
  world w(set);
  w.took = 10us;
  for (int i = 0; i != 100; ++i) w.ask();
  w.start_all();
  BOOST_TEST(w.worker(0).todo.size() == 1u); // nothing is known yet
  w.work(w.worker(0));
  BOOST_TEST(w.worker(0).todo.size() == 30u);
}

BOOST_AUTO_TEST_CASE(what_waits_behind_a_long_one_is_taken_back) {
  auto set = limits_of(2);
  world w(set);
  w.took = 1us;
  w.ask();
  w.start_all();
  w.work(w.worker(0));
  std::vector<asker*> asked;
  w.ask();
  w.begin(w.worker(0));
  for (int i = 0; i != 20; ++i) asked.push_back(&w.ask());
  BOOST_TEST(w.worker(0).todo.size() == 21u);
  BOOST_REQUIRE(w.rules.wakeup());
  w.pass(set.patience);
  BOOST_TEST(w.worker(0).todo.size() == 1u);
  BOOST_TEST(w.rules.statistics().queued == 20u);
  w.start_all();
  BOOST_TEST(w.worker(1).todo.size() >= 1u);
  BOOST_TEST(w.worker(0).todo.size() == 1u);
  BOOST_TEST(asked[0]->starts[0] == 0);
}

BOOST_AUTO_TEST_CASE(nor_what_waits_there_because_there_was_room_for_no_more) {
  auto set = limits_of(2);
  world w(set);
  w.took = 1us;
  w.ask();
  w.start_all();
  w.work(w.worker(0));
  world::sim& busy = w.worker(0);
  w.room = 5;
  std::vector<asker*> asked;
  w.ask();
  w.begin(busy); // it takes long
  for (int i = 0; i != 20; ++i) asked.push_back(&w.ask());
  BOOST_TEST(busy.todo.size() == 5u);
  BOOST_TEST(std::count(w.log.begin(), w.log.end(), "no_room") == 1); // and it is not tried all the time
  BOOST_TEST(w.starting.size() == 1u);
  w.start_all();
  world::sim& other = w.worker(1);
  while (w.begin(other)) {
    w.now += w.took;
    w.finish(other);
  }
  BOOST_TEST(asked.back()->finished());
  BOOST_TEST(!asked.front()->finished());
  BOOST_REQUIRE(w.rules.wakeup());
  w.pass(*w.rules.wakeup() - w.now);
  BOOST_TEST(busy.todo.size() == 1u);
  while (w.begin(other)) {
    w.now += w.took;
    w.finish(other);
  }
  for (auto* a : asked) BOOST_TEST(a->finished());
}

BOOST_AUTO_TEST_CASE(there_is_room_again_when_something_has_ended) {
  world w(limits_of(1));
  w.took = 1us;
  w.ask();
  w.start_all();
  w.work(w.worker(0));
  w.room = 3;
  for (int i = 0; i != 6; ++i) w.ask();
  BOOST_TEST(w.worker(0).todo.size() == 3u);
  for (std::size_t left : {3u, 3u, 3u, 2u, 1u, 0u}) {
    w.work(w.worker(0));
    BOOST_TEST(w.worker(0).todo.size() == left);
  }
}

BOOST_AUTO_TEST_CASE(what_was_long_and_is_short_again_is_handed_ahead_again) {
  world w(limits_of(1));
  w.took = 10ms;
  for (int i = 0; i != 200; ++i) w.ask();
  w.start_all();
  w.work(w.worker(0));
  BOOST_TEST(w.worker(0).todo.size() == 1u);
  w.took = 1us;
  int needed = 0;
  while (w.worker(0).todo.size() == 1u && needed != 100) {
    w.work(w.worker(0));
    ++needed;
  }
  BOOST_TEST(needed > 5); // one that was short does not make it so
  BOOST_TEST(needed < 50);
}

BOOST_AUTO_TEST_CASE(nothing_is_handed_ahead_to_one_that_has_run_for_long) {
  auto set = limits_of(1);
  world w(set);
  w.took = 1us;
  w.ask();
  w.start_all();
  w.work(w.worker(0));
  w.ask();
  w.begin(w.worker(0));
  BOOST_TEST(!w.rules.wakeup()); // nothing waits
  w.pass(set.patience);
  w.ask();
  BOOST_TEST(w.worker(0).todo.size() == 1u);
  BOOST_TEST(w.rules.statistics().queued == 1u);
}

BOOST_AUTO_TEST_CASE(the_rest_of_a_chunk_does_not_wait_behind_a_long_item) {
  for (bool divisible : {false, true}) {
    auto set = limits_of(2);
    world w(set);
    w.took = 1us;
    auto& chunk = w.ask(10, 0, {false, divisible});
    w.start_all();
    w.work(w.worker(0));
    w.begin(w.worker(0)); // the second one, which takes long
    w.pass(set.patience);
    BOOST_REQUIRE(w.worker(0).todo.size() == 1u);
    BOOST_TEST(w.worker(0).todo.front().stop);
    w.start_all();
    // Handed out again in small parts: the next one may be long, too.
    BOOST_REQUIRE(w.worker(1).todo.size() == 1u);
    BOOST_TEST(w.worker(1).todo.front().first == 2u);
    BOOST_TEST(w.worker(1).todo.front().count == 1u);
    while (!chunk.outcomes[9]) w.work(w.worker(1));
    BOOST_TEST(chunk.outcomes[1] == 0);
    w.finish(w.worker(0));
    BOOST_TEST(chunk.finished());
    for (int n : chunk.starts) BOOST_TEST(n == 1);
  }
}

BOOST_AUTO_TEST_CASE(nor_if_its_worker_stood_still_before) {
  auto set = limits_of(2);
  world w(set);
  w.took = 1us;
  auto& chunk = w.ask(10);
  w.start_all();
  w.pass(set.patience); // it does not begin for a while
  BOOST_REQUIRE(w.worker(0).todo.size() == 1u);
  BOOST_TEST((!w.rules.wakeup() || *w.rules.wakeup() >= w.now + 5 * set.patience)); // not all the time
  w.work(w.worker(0));
  w.begin(w.worker(0));
  for (int i = 0; i != 20; ++i) w.pass(set.patience);
  w.start_all();
  BOOST_REQUIRE(w.up() == 2u);
  while (!chunk.outcomes[9]) w.work(w.worker(1));
  BOOST_TEST(chunk.outcomes[1] == 0);
  w.finish(w.worker(0));
  BOOST_TEST(chunk.finished());
}

BOOST_AUTO_TEST_CASE(an_idle_worker_shares_what_takes_longer_than_was_thought) {
  auto set = limits_of(2);
  world w(set);
  w.took = 10us;
  w.ask(1, 1);
  w.ask(1, 1);
  w.start_all();
  w.work(w.worker(0));
  w.work(w.worker(1));
  w.ask();
  w.work(w.worker(0)); // known to be short
  auto& other = w.ask(1, 1);
  for (int i = 0; i != 29; ++i) w.ask();
  world::sim &first = w.worker(0), &second = w.worker(1);
  world::sim& busy = first.todo.size() > second.todo.size() ? first : second;
  world::sim& dry = &busy == &first ? second : first;
  while (w.begin(dry)) {
    w.now += 10us;
    w.finish(dry);
  }
  BOOST_TEST(other.finished());
  const std::size_t ahead = busy.todo.size();
  BOOST_REQUIRE(ahead > 5u);
  BOOST_TEST(dry.todo.empty()); // that much is no matter
  w.took = 900us;
  w.work(busy);
  BOOST_TEST(dry.todo.size() == 1u);
  BOOST_TEST(busy.todo.size() == 1u);
  BOOST_TEST(w.rules.statistics().queued == ahead - 3);
}

BOOST_AUTO_TEST_CASE(an_idle_worker_shares_a_chunk_whose_items_take_longer_than_was_thought) {
  auto set = limits_of(2);
  world w(set);
  w.took = 1us;
  w.ask();
  w.ask();
  w.start_all();
  w.work(w.worker(0));
  w.work(w.worker(1));
  auto& chunk = w.ask(100, 0, {false, true});
  world::sim& busy = w.worker(0).todo.empty() ? w.worker(1) : w.worker(0);
  world::sim& dry = w.worker(0).todo.empty() ? w.worker(0) : w.worker(1);
  w.took = 100us;
  w.work(busy);
  BOOST_REQUIRE(dry.todo.size() == 1u);
  BOOST_TEST(dry.todo.front().count == 5u); // half a millisecond
  for (int i = 0; i != 1000 && !chunk.finished(); ++i)
    for (auto* s : {&busy, &dry})
      if (w.begin(*s)) w.finish(*s);
  BOOST_TEST(chunk.finished());
  for (int n : chunk.starts) BOOST_TEST(n == 1);
}

BOOST_AUTO_TEST_CASE(nothing_waits_behind_what_does_not_begin) {
  auto set = limits_of(2);
  world w(set);
  w.took = 1us;
  w.ask();
  w.ask(1, 1);
  w.start_all();
  w.work(w.worker(0));
  w.work(w.worker(1));
  w.begin(w.worker(0));
  for (int i = 0; i != 20; ++i) w.ask();
  world::sim& stopped = w.worker(0).todo.empty() ? w.worker(1) : w.worker(0);
  const std::size_t ahead = stopped.todo.size();
  BOOST_REQUIRE(ahead > 1u);
  w.pass(set.patience);
  BOOST_TEST(stopped.todo.size() == 1u);
  // And it is not looked at again and again.
  BOOST_TEST((!w.rules.wakeup() || *w.rules.wakeup() > w.now));
}

BOOST_AUTO_TEST_CASE(a_large_one_is_never_handed_ahead) {
  world w(limits_of(1));
  w.took = 1us;
  w.ask(1, 0, {true, false});
  w.ask(1, 0, {true, false});
  w.ask();
  w.start_all();
  w.work(w.worker(0));
  BOOST_TEST(w.worker(0).todo.size() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
