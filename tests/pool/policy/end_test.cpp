// The end: closed and drained, or terminated.
#include "pool/policy/world.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <vector>

using namespace coproc::test::policy_world;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(pool_policy_end)

BOOST_AUTO_TEST_CASE(close_drains) {
  world w(limits_of(2));
  std::vector<asker*> all;
  for (int i = 0; i != 5; ++i) all.push_back(&w.ask());
  w.rules.close(w.now);
  w.carry_out();
  w.start_all();
  while (!w.drained) {
    for (auto& [who, s] : w.workers)
      if (!s->todo.empty()) {
        w.work(*s);
        break;
      }
    w.bury();
  }
  for (auto* a : all) BOOST_TEST(a->how[0] == "done");
  BOOST_TEST(w.workers.empty());
}

BOOST_AUTO_TEST_CASE(closing_an_unused_pool_ends_at_once) {
  world w(limits_of(2));
  w.rules.close(w.now);
  w.carry_out();
  BOOST_TEST(w.drained);
}

BOOST_AUTO_TEST_CASE(what_comes_after_the_end_is_run_and_ends_again) {
  world w(limits_of(1));
  w.rules.close(w.now);
  w.carry_out();
  BOOST_TEST(w.drained);
  w.drained = false;
  auto& late = w.ask(); // an imap that is read on
  BOOST_TEST(!w.rules.ended());
  w.start_all();
  w.work(w.worker(0));
  BOOST_TEST(late.how[0] == "done");
  BOOST_TEST(w.worker(0).leaving);
  w.bury();
  BOOST_TEST(w.drained);
}

BOOST_AUTO_TEST_CASE(a_worker_that_does_not_leave_is_killed) {
  policy::limits set = limits_of(1);
  set.max_tasks = 1;
  set.grace = 5s;
  world w(set);
  w.leavers_hang = true;
  auto& first = w.ask();
  w.start_all();
  world::sim& hangs = w.worker(0);
  w.work(hangs);
  BOOST_TEST(first.how[0] == "done");
  BOOST_TEST(hangs.leaving);
  w.pass(4999ms);
  BOOST_TEST(!hangs.dead);
  w.pass(1ms);
  BOOST_TEST(hangs.dead);
  w.bury();
  w.start_all(); // the one in its place, and no other
  BOOST_TEST(w.up() == 1u);
  BOOST_TEST(w.rules.statistics().restarted == 1u);

  w.rules.close(w.now);
  w.carry_out();
  BOOST_TEST(w.worker(0).leaving);
  w.pass(5s);
  BOOST_TEST(!w.drained);
  w.bury();
  BOOST_TEST(w.drained);
  BOOST_TEST(!w.rules.wakeup().has_value());
}

BOOST_AUTO_TEST_CASE(terminate_fails_the_rest) {
  world w(limits_of(1));
  auto& runs = w.ask();
  auto& waits = w.ask();
  auto& program = w.ask_program();
  w.start_all();
  w.begin(w.worker(0));
  w.rules.terminate();
  w.carry_out();
  BOOST_TEST(runs.how[0] == "terminated");
  BOOST_TEST(waits.how[0] == "terminated");
  BOOST_TEST(program.how[0] == "terminated");
  BOOST_TEST(!w.drained);
  w.bury();
  BOOST_TEST(w.drained);
}

BOOST_AUTO_TEST_CASE(what_was_about_to_be_handed_over_is_not_when_all_is_terminated) {
  world w(limits_of(1));
  w.ask();
  w.start_all();
  w.work(w.worker(0));
  asker next(1);
  w.rules.submit(&next, policy::unit_kind::task, 1, 0, {}, w.now);
  w.rules.terminate(); // as the user's code does that is called before the actions are carried out
  w.carry_out();
  BOOST_TEST(next.how[0] == "terminated");
  BOOST_TEST(w.workers.begin()->second->todo.empty());
  w.bury();
  BOOST_TEST(w.drained);
}

BOOST_AUTO_TEST_SUITE_END()
