// child::stop() and stop_policy in action: whom the signals reach, and when.
#include <coproc/child.hpp>

#include <coproc/run.hpp>
#include <coproc/spawn.hpp>
#include <coproc/timeout_expired.hpp>

#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/helper.hpp"
#include "support/pending.hpp"
#include "support/process_info.hpp"

#include <chrono>
#include <string>

#include <signal.h>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(stop)

using clock = std::chrono::steady_clock;
using coproc::command;
using coproc::exit_status;
using coproc::stdio;
using coproc::stop_policy;

command piped(command c) { return std::move(c).in(stdio::pipe()).out(stdio::pipe()); }

/// A child that ignores SIGTERM, and has said that it does.
asio::awaitable<coproc::child> stubborn(coproc::stop_policy policy) {
  auto c = piped(helper("ignore=15", "say=ready", "pause")).stop(policy);
  coproc::child started = co_await coproc::spawn(std::move(c));
  co_await started.out().read_line();
  co_return started;
}

CO_TEST(stop_asks_with_sigterm) {
  auto c = co_await coproc::spawn(piped(helper("report=15", "say=ready", "pause")));
  co_await c.out().read_line();
  const auto start = clock::now();
  auto status = co_await c.stop();
  BOOST_TEST((status == exit_status::exited(40 + SIGTERM)));
  BOOST_TEST((clock::now() - start < 4s), "it does not wait for the end of the grace period");
}

CO_TEST(stop_asks_with_the_signal_of_the_policy) {
  auto c = co_await coproc::spawn(
      piped(helper("report=2", "report=15", "say=ready", "pause")).stop(stop_policy(5s).signal(SIGINT)));
  co_await c.out().read_line();
  auto status = co_await c.stop();
  BOOST_TEST((status == exit_status::exited(40 + SIGINT)));
}

CO_TEST(stop_escalates_to_kill_after_grace) {
  auto c = co_await stubborn(stop_policy(30ms));
  const auto start = clock::now();
  auto status = co_await c.stop();
  BOOST_TEST((status == exit_status::signaled(SIGKILL)));
  BOOST_TEST((clock::now() - start >= 30ms));
}

CO_TEST(policy_given_to_stop_counts) {
  auto c = co_await stubborn(stop_policy(1h));
  auto status = co_await c.stop(stop_policy(10ms));
  BOOST_TEST((status == exit_status::signaled(SIGKILL)));
}

CO_TEST(zero_grace_kills_at_once) {
  for (auto grace : {0ms, -5ms}) {
    auto c = co_await coproc::spawn(piped(helper("report=15", "say=ready", "pause")));
    co_await c.out().read_line();
    auto status = co_await c.stop(stop_policy(grace));
    BOOST_TEST((status == exit_status::signaled(SIGKILL)));
  }
}

CO_TEST(stop_of_the_dead_is_harmless) {
  auto c = co_await coproc::spawn(helper("exit=3"));
  co_await c.wait();
  auto status = co_await c.stop();
  BOOST_TEST((status == exit_status::exited(3)));
  status = co_await c.stop(stop_policy(0s));
  BOOST_TEST((status == exit_status::exited(3)));
}

CO_TEST(later_stop_with_a_shorter_grace_takes_effect) {
  auto c = co_await stubborn(stop_policy(1h));
  auto patient = co_await beside(c.stop());
  co_await breathe();
  BOOST_TEST(!patient.done());
  auto status = co_await c.stop(stop_policy(10ms));
  BOOST_TEST((status == exit_status::signaled(SIGKILL)));
  status = co_await patient.result();
  BOOST_TEST((status == exit_status::signaled(SIGKILL)));
}

CO_TEST_ONCE(cancelled_stop_goes_on) {
  auto c = co_await stubborn(stop_policy(50ms));
  auto op = co_await beside(c.stop());
  co_await breathe();
  op.cancel();
  bool aborted = co_await op.aborted();
  BOOST_TEST(aborted);
  auto status = co_await c.wait();
  BOOST_TEST((status == exit_status::signaled(SIGKILL)));
}

CO_TEST(stop_continues_a_suspended_child) {
  // It can take no other signal until then, signal(7): the grace period would be of no use to it.
  auto c = co_await coproc::spawn(piped(helper("report=15", "stop", "pause")).stop(stop_policy(1h)));
  co_await until_state(c.pid(), 'T');
  auto status = co_await c.stop();
  BOOST_TEST((status == exit_status::exited(40 + SIGTERM)), status.to_string());
}

CO_TEST(stop_reaches_the_whole_group) {
  auto c = co_await coproc::spawn(piped(helper("grandchild", "pause")));
  auto line = co_await c.out().read_line();
  const int grandchild = std::stoi(line.value());
  killed_at_end cleanup(grandchild);
  BOOST_TEST(alive(grandchild));
  auto status = co_await c.stop();
  BOOST_TEST((status == exit_status::signaled(SIGTERM)));
  co_await end_of(grandchild);
}

CO_TEST(another_stop_sends_its_own_signal) {
  auto c = co_await coproc::spawn(piped(helper("ignore=2", "say=ready", "pause")));
  co_await c.out().read_line();
  auto first = co_await beside(c.stop(coproc::stop_policy(1h).signal(SIGINT)));
  co_await breathe();
  auto status = co_await c.stop(coproc::stop_policy(30min));
  BOOST_TEST((status == exit_status::signaled(SIGTERM)));
  status = co_await first.result();
  BOOST_TEST((status == exit_status::signaled(SIGTERM)));
}

CO_TEST(stop_kills_what_is_left_of_the_group) {
  // The leader obeys SIGTERM, its child does not.
  auto c = co_await coproc::spawn(piped(helper("stubborn-grandchild", "pause")).stop(stop_policy(1h)));
  auto line = co_await c.out().read_line();
  const int grandchild = std::stoi(line.value());
  killed_at_end cleanup(grandchild);
  auto status = co_await c.stop();
  BOOST_TEST((status == exit_status::signaled(SIGTERM)));
  co_await end_of(grandchild);
}

CO_TEST(stop_reaches_the_group_of_a_session) {
  auto c =
      co_await coproc::spawn(piped(helper("grandchild", "pause")).process_group(coproc::group_mode::session));
  auto line = co_await c.out().read_line();
  const int grandchild = std::stoi(line.value());
  killed_at_end cleanup(grandchild);
  co_await c.stop();
  co_await end_of(grandchild);
}

CO_TEST(stop_spares_other_groups) {
  auto c = co_await coproc::spawn(piped(helper("stranger", "pause")));
  auto line = co_await c.out().read_line();
  const int stranger = std::stoi(line.value());
  killed_at_end cleanup(stranger);
  co_await c.stop();
  BOOST_TEST(alive(stranger));
}

CO_TEST(stop_in_the_hosts_group_reaches_the_child_alone) {
  auto c =
      co_await coproc::spawn(piped(helper("grandchild", "pause")).process_group(coproc::group_mode::inherit));
  auto line = co_await c.out().read_line();
  const int grandchild = std::stoi(line.value());
  killed_at_end cleanup(grandchild);
  auto status = co_await c.stop();
  BOOST_TEST((status == exit_status::signaled(SIGTERM)));
  BOOST_TEST(alive(grandchild)); // and so are we, who are in that group
}

CO_TEST(end_by_itself_spares_the_group) {
  // A daemon that is started on purpose lives on when nobody has asked for a stop.
  auto c = co_await coproc::spawn(piped(helper("grandchild")));
  auto line = co_await c.out().read_line();
  const int grandchild = std::stoi(line.value());
  killed_at_end cleanup(grandchild);
  co_await c.wait();
  co_await c.stop(stop_policy(0s)); // the leader is reaped: the group might be a stranger's by now
  BOOST_TEST(alive(grandchild));
}

CO_TEST(timeout_begins_the_stop_sequence) {
  auto c = piped(helper("report=15", "say=ready", "pause")).timeout(30ms);
  const auto start = clock::now();
  auto started = co_await coproc::spawn(std::move(c));
  auto status = co_await started.wait(); // gives the status that the stop led to
  BOOST_TEST((status == exit_status::exited(40 + SIGTERM) || status == exit_status::signaled(SIGTERM)));
  BOOST_TEST((clock::now() - start >= 30ms));
}

CO_TEST(timeout_works_without_anybody_waiting) {
  auto started = co_await coproc::spawn(piped(helper("pause")).timeout(20ms));
  co_await end_of(started.pid());
  auto status = co_await started.wait();
  BOOST_TEST((status == exit_status::signaled(SIGTERM)));
}

CO_TEST(timeout_escalates) {
  auto c = helper("ignore=15", "say=ready", "pause").timeout(30ms).stop(stop_policy(30ms));
  auto e = co_await thrown_by<coproc::timeout_expired>(coproc::run(std::move(c)));
  if (e.out == "ready\n") BOOST_TEST((e.status == exit_status::signaled(SIGKILL)), e.status.to_string());
}

CO_TEST(timeout_that_is_not_reached_changes_nothing) {
  auto c = helper("exit=3").timeout(1h);
  auto result = co_await coproc::run(std::move(c));
  BOOST_TEST((result.status == exit_status::exited(3)));
}

CO_TEST(timeout_of_zero_expires_at_once) {
  auto c = helper("pause").timeout(0ms);
  co_await thrown_by<coproc::timeout_expired>(coproc::run(std::move(c)));
}

BOOST_AUTO_TEST_SUITE_END()
