// How long workers are kept, and what if none comes up: wear, crash loops, initializers, starts that fail.
#include "pool/policy/world.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <map>
#include <vector>

using namespace coproc::test::policy_world;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(pool_policy_workers)

BOOST_AUTO_TEST_CASE(a_worker_gets_max_tasks_items_and_no_more) {
  auto set = limits_of(1);
  set.max_tasks = 3;
  world w(set);
  auto& chunk = w.ask(8);
  std::map<policy::worker*, int> items;
  std::size_t workers = 0;
  while (!chunk.finished()) {
    workers += w.starting.size();
    w.start_all();
    for (auto& [who, s] : w.workers)
      if (!s->todo.empty()) {
        ++items[who];
        w.work(*s);
        break;
      }
    w.bury();
  }
  BOOST_TEST(workers == 3u);
  BOOST_TEST(w.rules.statistics().restarted == 2u);
}

BOOST_AUTO_TEST_CASE(one_that_wears_out_is_replaced) {
  world w(limits_of(1));
  w.took = 1us;
  w.ask();
  w.start_all();
  w.work(w.worker(0));
  w.ask();
  auto& last = w.ask();
  w.begin(w.worker(0));
  w.rules.wears_out(*w.worker(0).is, w.now);
  w.carry_out();
  BOOST_TEST(w.worker(0).todo.size() == 1u);
  w.finish(w.worker(0));
  BOOST_TEST(w.worker(0).leaving);
  w.bury();
  w.start_all();
  w.work(w.worker(0));
  BOOST_TEST(last.how[0] == "done");
}

BOOST_AUTO_TEST_CASE(a_crash_loop_ends) {
  world w(limits_of(1));
  auto& task = w.ask();
  int deaths = 0;
  while (!task.finished()) {
    BOOST_REQUIRE(deaths < 100);
    while (w.starting.empty()) {
      BOOST_REQUIRE(w.rules.wakeup());
      w.pass(std::max(*w.rules.wakeup() - w.now, policy::duration(1)));
    }
    w.start_all();
    w.die(w.worker(0));
    ++deaths;
  }
  BOOST_TEST(task.how[0] == "gave_up");
  BOOST_TEST(task.starts[0] == 0);
  BOOST_TEST(deaths == 4);
  // The next one is tried.
  auto& next = w.ask();
  w.pass(1s);
  BOOST_REQUIRE(!w.starting.empty());
  w.start_all();
  w.work(w.worker(0));
  BOOST_TEST(next.how[0] == "done");
}

BOOST_AUTO_TEST_CASE(workers_that_die_one_after_another_are_replaced_ever_later) {
  auto set = limits_of(1);
  set.deaths_at_start = 8;
  world w(set);
  w.ask();
  policy::duration last{};
  for (int deaths = 1; deaths != 8; ++deaths) {
    w.start_all();
    w.die(w.worker(0));
    BOOST_REQUIRE(w.starting.empty());
    BOOST_REQUIRE(w.rules.wakeup());
    const auto wait = *w.rules.wakeup() - w.now;
    BOOST_TEST((wait == (last == policy::duration() ? policy::duration(5ms) : 2 * last)));
    last = wait;
    w.pass(wait - 1ns);
    BOOST_TEST(w.starting.empty());
    w.pass(1ns);
    BOOST_REQUIRE(w.starting.size() == 1u);
  }
  // At work the first ones are replaced at once.
  world at_work(limits_of(1));
  for (int i = 0; i != 20; ++i) at_work.ask();
  for (int deaths = 1; deaths != 10; ++deaths) {
    if (at_work.starting.empty()) at_work.pass(20ms);
    at_work.start_all();
    at_work.begin(at_work.worker(0));
    at_work.die(at_work.worker(0));
    BOOST_TEST(at_work.starting.empty() == (deaths > 3));
  }
}

BOOST_AUTO_TEST_CASE(deaths_at_work_with_no_task_completed_end_too) {
  world w(limits_of(4));
  std::vector<asker*> all;
  for (int i = 0; i != 200; ++i) all.push_back(&w.ask());
  std::size_t deaths = 0;
  for (; deaths != 200 && !all.back()->finished(); ++deaths) {
    w.pass(20ms); // the longest backoff
    w.start_all();
    for (std::size_t i = 0; i != w.up(); ++i) w.begin(w.worker(i));
    w.die(w.worker(0)); // while the others run theirs
  }
  BOOST_TEST(deaths == 64u);
  BOOST_TEST(all[0]->how[0] == "died");
  BOOST_TEST(all.back()->how[0] == "gave_up");
  for (auto* a : all)
    if (a->how[0] == "gave_up") BOOST_TEST(a->starts[0] == 0);
}

BOOST_AUTO_TEST_CASE(deaths_beside_a_worker_that_completes_tasks_do_not_end) {
  world w(limits_of(2));
  auto& first = w.ask();
  w.start_all();
  w.work(w.worker(0));
  auto& runs_on = w.ask();
  w.begin(w.worker(0));
  world::sim* healthy = &w.worker(0);
  std::vector<asker*> all;
  for (int i = 0; i != 200; ++i) all.push_back(&w.ask());
  while (!all.back()->finished()) {
    w.pass(20ms);
    w.start_all();
    for (std::size_t i = 0; i != w.up(); ++i)
      if (world::sim* s = &w.worker(i); s != healthy && w.begin(*s)) {
        w.die(*s);
        break;
      }
  }
  BOOST_TEST(first.how[0] == "done");
  BOOST_TEST(runs_on.how[0] == "none");
  for (auto* a : all) BOOST_TEST(a->how[0] == "died");
}

BOOST_AUTO_TEST_CASE(a_failing_initializer_ends_with_an_error) {
  auto set = limits_of(2);
  set.initializer = true;
  world w(set);
  auto& task = w.ask();
  for (int i = 0; i != 100 && !task.finished(); ++i) {
    if (w.starting.empty()) w.pass(1s);
    w.start_all();
    for (auto& [who, s] : w.workers)
      if (!s->dead) {
        w.rules.initializer_failed(*who, w.now);
        w.carry_out();
        break;
      }
    w.bury();
  }
  BOOST_TEST(task.how[0] == "gave_up");
}

BOOST_AUTO_TEST_CASE(workers_that_misbehave_before_they_run_anything_are_a_crash_loop) {
  for (bool initializer : {true, false}) {
    auto set = limits_of(1);
    set.initializer = initializer;
    world w(set);
    auto& task = w.ask();
    int condemned = 0;
    while (!task.finished()) {
      BOOST_REQUIRE(condemned < 100);
      if (condemned != 0) BOOST_TEST(w.starting.empty()); // after a pause
      while (w.starting.empty()) {
        BOOST_REQUIRE(w.rules.wakeup());
        w.pass(std::max(*w.rules.wakeup() - w.now, policy::duration(1)));
      }
      w.start_all();
      w.rules.condemn(*w.worker(0).is, w.now);
      w.carry_out();
      w.bury();
      ++condemned;
    }
    BOOST_TEST(task.how[0] == "gave_up");
    BOOST_TEST(task.starts[0] == 0);
    BOOST_TEST(condemned == 4);
  }
}

BOOST_AUTO_TEST_CASE(nothing_is_handed_before_the_initializer_has_ended) {
  auto set = limits_of(1);
  set.initializer = true;
  world w(set);
  w.ask();
  w.start_all();
  BOOST_TEST(w.worker(0).todo.empty());
  w.rules.initialised(*w.worker(0).is, w.now);
  w.carry_out();
  BOOST_TEST(w.worker(0).todo.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_start_that_fails_fails_one_task_and_is_tried_later) {
  world w(limits_of(1));
  auto& first = w.ask();
  auto& second = w.ask();
  w.start_one(false);
  BOOST_TEST(first.how[0] == "start_failed");
  BOOST_TEST(second.how[0] == "none");
  BOOST_TEST(w.starting.empty());
  w.pass(1s);
  w.start_all();
  w.work(w.worker(0));
  BOOST_TEST(second.how[0] == "done");
}

BOOST_AUTO_TEST_CASE(a_start_that_fails_while_others_work_fails_nothing) {
  world w(limits_of(2));
  w.ask();
  auto& second = w.ask();
  w.start_one(true);
  w.start_one(false);
  BOOST_TEST(second.how[0] == "none");
  w.work(w.worker(0));
  w.work(w.worker(0));
  BOOST_TEST(second.how[0] == "done");
}

BOOST_AUTO_TEST_CASE(a_hopeless_start_fails_all) {
  world w(limits_of(1));
  auto& first = w.ask();
  auto& second = w.ask();
  w.start_one(false, policy::hope::none);
  BOOST_TEST(first.how[0] == "start_failed");
  BOOST_TEST(second.how[0] == "start_failed");
}

BOOST_AUTO_TEST_SUITE_END()
