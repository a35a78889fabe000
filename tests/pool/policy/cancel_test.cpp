// Timeouts, and what is cancelled or dropped.
#include "pool/policy/world.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>

using namespace coproc::test::policy_world;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(pool_policy_cancel)

BOOST_AUTO_TEST_CASE(a_task_that_takes_too_long_is_killed) {
  auto set = limits_of(1);
  set.task_timeout = 1s;
  world w(set);
  auto& slow = w.ask();
  auto& next = w.ask();
  w.start_all();
  w.pass(500ms); // handed, but not begun
  w.begin(w.worker(0));
  w.pass(500ms);
  w.pass(1ms);
  BOOST_TEST(!w.worker(0).dead); // the time counts from the start of the task
  w.pass(499ms);
  BOOST_TEST(w.workers.begin()->second->dead);
  BOOST_TEST(slow.how[0] == "none");
  w.bury();
  BOOST_TEST(slow.how[0] == "timed_out");
  w.start_all();
  w.work(w.worker(0));
  BOOST_TEST(next.how[0] == "done");
}

BOOST_AUTO_TEST_CASE(a_timeout_counts_items_and_not_chunks) {
  auto set = limits_of(1);
  set.task_timeout = 1s;
  world w(set);
  auto& chunk = w.ask(4);
  w.start_all();
  for (int i = 0; i != 3; ++i) {
    w.begin(w.worker(0));
    w.pass(900ms);
    w.finish(w.worker(0));
  }
  w.begin(w.worker(0));
  w.pass(1s);
  w.bury();
  BOOST_TEST(chunk.how[2] == "done");
  BOOST_TEST(chunk.how[3] == "timed_out");
}

BOOST_AUTO_TEST_CASE(a_worker_that_does_not_begin_is_replaced) {
  auto set = limits_of(1);
  set.task_timeout = 1s;
  world w(set);
  auto& task = w.ask();
  w.start_all();
  w.pass(set.patience);
  w.pass(1s);
  BOOST_TEST(!w.worker(0).dead); // once may be chance
  w.pass(1s);
  w.bury();
  w.start_all();
  w.work(w.worker(0));
  BOOST_TEST(task.how[0] == "done");
  BOOST_TEST(task.starts[0] == 1);
}

BOOST_AUTO_TEST_CASE(a_task_whose_result_waits_for_room_does_not_take_too_long) {
  auto set = limits_of(1);
  set.task_timeout = 1s;
  world w(set);
  w.took = 1us;
  w.ask();
  w.start_all();
  w.work(w.worker(0)); // it is short: more are handed ahead
  auto& first = w.ask();
  auto& waits = w.ask();
  auto& last = w.ask();
  w.begin(w.worker(0));
  w.finish(w.worker(0), true);
  w.begin(w.worker(0));
  w.finish_without_room(w.worker(0));
  w.now += 5s; // in which nobody reads results
  w.cancel(last);
  BOOST_TEST(first.how[0] == "done");
  BOOST_TEST(last.how[0] == "cancelled");
  BOOST_REQUIRE(!w.worker(0).dead);
  w.finish(w.worker(0));
  BOOST_TEST(waits.how[0] == "done");
}

BOOST_AUTO_TEST_CASE(a_result_that_never_comes_is_not_waited_for_for_ever) {
  auto set = limits_of(1);
  set.task_timeout = 1s;
  set.retries = 1;
  world w(set);
  auto& chunk = w.ask(2);
  auto& next = w.ask();
  w.start_all();
  w.begin(w.worker(0));
  w.finish_without_room(w.worker(0));
  w.pass(1s);
  BOOST_REQUIRE(!w.worker(0).dead); // once may be chance
  w.pass(999ms);
  BOOST_REQUIRE(!w.worker(0).dead);
  w.pass(1ms);
  w.bury();
  BOOST_TEST(chunk.how[0] == "timed_out"); // it is not run again
  w.start_all();
  w.work(w.worker(0));
  w.work(w.worker(0));
  BOOST_TEST(chunk.how[1] == "done");
  BOOST_TEST(next.how[0] == "done");
}

BOOST_AUTO_TEST_CASE(a_queued_task_is_dropped_when_cancelled) {
  world w(limits_of(1));
  w.ask();
  auto& waits = w.ask();
  w.start_all();
  w.begin(w.worker(0));
  w.cancel(waits);
  BOOST_TEST(waits.how[0] == "cancelled");
  BOOST_TEST(!w.worker(0).dead);
}

BOOST_AUTO_TEST_CASE(a_running_task_is_killed_when_cancelled) {
  world w(limits_of(1));
  w.took = 1us;
  w.ask();
  w.start_all();
  w.work(w.worker(0));
  auto& runs = w.ask();
  auto& ahead = w.ask();
  w.begin(w.worker(0));
  w.cancel(runs);
  BOOST_TEST(w.workers.begin()->second->dead);
  BOOST_TEST(runs.how[0] == "none"); // only when it runs no more
  w.bury();
  BOOST_TEST(runs.how[0] == "cancelled");
  BOOST_TEST(ahead.starts[0] == 0);
  w.start_all();
  w.work(w.worker(0));
  BOOST_TEST(ahead.how[0] == "done");
}

BOOST_AUTO_TEST_CASE(cancelling_what_has_finished_unseen_kills_nobody) {
  world w(limits_of(1));
  w.took = 1us;
  w.ask();
  w.start_all();
  w.work(w.worker(0));
  auto& a = w.ask();
  auto& b = w.ask();
  w.begin(w.worker(0));
  w.finish(w.worker(0), true);
  w.begin(w.worker(0));
  w.cancel(a);
  BOOST_TEST(a.how[0] == "cancelled");
  BOOST_TEST(!w.worker(0).dead);
  w.finish(w.worker(0));
  BOOST_TEST(b.how[0] == "done");
}

BOOST_AUTO_TEST_CASE(dropping_lets_the_item_that_runs_finish) {
  world w(limits_of(1));
  auto& chunk = w.ask(5);
  w.start_all();
  w.begin(w.worker(0));
  w.cancel(chunk, policy::verdict::dropped);
  BOOST_TEST(!w.worker(0).dead);
  w.finish(w.worker(0));
  BOOST_TEST(w.worker(0).todo.empty());
  BOOST_TEST(chunk.finished());
  BOOST_TEST(chunk.starts[1] == 0);
  auto& next = w.ask();
  w.work(w.worker(0));
  BOOST_TEST(next.how[0] == "done");
}

BOOST_AUTO_TEST_SUITE_END()
