// Who may go first: handles, waiters, children, loops. That no child is left is checked after every test.
#include <coproc/child.hpp>

#include <coproc/run.hpp>
#include <coproc/spawn.hpp>

#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/helper.hpp"
#include "support/leak_check.hpp"
#include "support/loops.hpp"
#include "support/pending.hpp"
#include "support/process_info.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include <signal.h>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(lifetime)

using coproc::command;
using coproc::exit_status;
using coproc::stdio;

command piped(command c) { return std::move(c).in(stdio::pipe()).out(stdio::pipe()); }

asio::awaitable<void> wait_for(coproc::child& c, std::optional<exit_status>& status) {
  status = co_await c.wait();
}

CO_TEST(dropped_child_is_killed_and_reaped_by_its_loop) {
  int pid = 0;
  {
    auto c = co_await coproc::spawn(piped(helper("ignore=15", "say=ready", "pause")));
    co_await c.out().read_line();
    pid = c.pid();
  }
  co_await until_state(pid, '-'); // reaped, while nothing but this loop runs
}

CO_TEST(dropped_group_leader_takes_its_group_along) {
  std::optional<killed_at_end> cleanup;
  int grandchild = 0;
  {
    auto c = co_await coproc::spawn(piped(helper("stubborn-grandchild", "pause")));
    auto line = co_await c.out().read_line();
    grandchild = std::stoi(line.value());
    cleanup.emplace(grandchild);
  }
  co_await end_of(grandchild);
}

CO_TEST(dropped_child_that_has_ended_leaves_its_group_alone) {
  int left_behind = 0;
  {
    auto c = co_await coproc::spawn(piped(helper("grandchild", "exit=0")));
    auto line = co_await c.out().read_line();
    left_behind = std::stoi(line.value());
    co_await until_state(c.pid(), 'Z');
    // Nobody has looked so far.
  }
  killed_at_end cleanup(left_behind);
  co_await breathe();
  BOOST_TEST(alive(left_behind));
}

CO_TEST(dropped_child_in_the_hosts_group_goes_alone) {
  std::optional<killed_at_end> cleanup;
  int grandchild = 0;
  int pid = 0;
  {
    auto c = co_await coproc::spawn(
        piped(helper("grandchild", "pause")).process_group(coproc::group_mode::inherit));
    auto line = co_await c.out().read_line();
    pid = c.pid();
    grandchild = std::stoi(line.value());
    cleanup.emplace(grandchild);
  }
  co_await until_state(pid, '-');
  BOOST_TEST(alive(grandchild));
}

CO_TEST(dropped_child_that_is_stopped_is_killed) {
  int pid = 0;
  {
    auto c = co_await coproc::spawn(helper("stop", "pause"));
    co_await until_state(c.pid(), 'T');
    pid = c.pid();
  }
  co_await until_state(pid, '-');
}

CO_TEST(assignment_drops_the_old_child) {
  auto c = co_await coproc::spawn(piped(helper("pause")));
  const int pid = c.pid();
  c = co_await coproc::spawn(helper("exit=0"));
  co_await until_state(pid, '-');
  co_await c.wait();
}

CO_TEST(destructor_completes_waiters_with_operation_aborted) {
  auto c = std::make_unique<coproc::child>(co_await coproc::spawn(piped(helper("pause"))));
  auto wait = co_await beside(c->wait());
  auto timed = co_await beside(c->wait(1h));
  auto line = co_await beside(c->out().read_line());
  const std::string much(8'000'000, 'x');
  auto write = co_await beside(c->in().write(much));
  co_await breathe();
  BOOST_TEST(!wait.done());
  BOOST_TEST(!timed.done());
  BOOST_TEST(!line.done());
  c.reset();
  bool aborted = co_await wait.aborted();
  BOOST_TEST(aborted);
  aborted = co_await timed.aborted();
  BOOST_TEST(aborted);
  aborted = co_await line.aborted();
  BOOST_TEST(aborted);
  aborted = co_await write.aborted();
  BOOST_TEST(aborted);
}

CO_TEST(destructor_completes_communicate_and_stop) {
  auto c = std::make_unique<coproc::child>(
      co_await coproc::spawn(piped(helper("ignore=15", "say=ready", "pause")).stop(coproc::stop_policy(1h))));
  co_await c->out().read_line();
  auto communicate = co_await beside(c->communicate("input"));
  auto stop = co_await beside(c->stop());
  co_await breathe();
  c.reset();
  bool aborted = co_await communicate.aborted();
  BOOST_TEST(aborted);
  aborted = co_await stop.aborted();
  BOOST_TEST(aborted);
}

CO_TEST(read_that_is_awaited_after_its_stream_has_gone_finds_it_closed) {
  auto c = std::make_unique<coproc::child>(co_await coproc::spawn(piped(helper("say=one", "pause"))));
  auto first = co_await c->out().read_line();
  BOOST_TEST(first.value() == "one");
  auto line = c->out().read_line();
  auto dropped = c->out().read_line();
  auto rest = c->out().read_all();
  c.reset();
  auto error = co_await thrown_by<std::system_error>(std::move(line));
  BOOST_TEST((error.code() == std::errc::bad_file_descriptor));
  error = co_await thrown_by<std::system_error>(std::move(rest));
  BOOST_TEST((error.code() == std::errc::bad_file_descriptor));
}

BOOST_AUTO_TEST_CASE(destroyed_loop_drops_its_waiters_and_the_handle_kills) {
  leak_check nothing_left;
  std::optional<coproc::child> c;
  {
    asio::io_context loop;
    run_on(loop, start_into(c, piped(helper("eof"))));
    std::optional<exit_status> status;
    asio::co_spawn(loop, wait_for(*c, status), [](std::exception_ptr) { BOOST_ERROR("completed"); });
    loop.restart();
    loop.poll();
    BOOST_TEST(!loop.stopped(), "a waiter counts as work");
  }
  BOOST_TEST(alive(c->pid()), "killed with the handle, not before");
  const int pid = c->pid();
  BOOST_TEST(c->command().to_string().find("eof") != std::string::npos);
  c.reset();
  BOOST_TEST((process_state_of(pid) != 'S')); // on its way out; reaped by a later operation
}

BOOST_AUTO_TEST_CASE(handle_that_outlives_its_loop_still_answers) {
  leak_check nothing_left;
  std::optional<coproc::child> c;
  {
    asio::io_context loop;
    run_on(loop, start_into(c, piped(helper("exit=3"))));
  }
  const auto end = std::chrono::steady_clock::now() + deadline();
  std::optional<exit_status> status;
  while (!(status = c->poll()) && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  BOOST_TEST((status == exit_status::exited(3)));
  BOOST_TEST(c->usage().has_value());
  c->terminate(); // harmless
  c->in().close();
  c->out().close();
}

BOOST_AUTO_TEST_CASE(another_loop_is_a_logic_error) {
  leak_check nothing_left;
  asio::io_context first;
  asio::io_context second;
  std::optional<coproc::child> c;
  run_on(first, start_into(c, piped(helper("cat"))));
  auto refused = [&](asio::awaitable<void> operation) {
    auto error = run_on(second, std::move(operation));
    BOOST_REQUIRE(error);
    BOOST_CHECK_THROW(std::rethrow_exception(error), std::logic_error);
  };
  std::optional<exit_status> status;
  refused(wait_for(*c, status));
  refused([](coproc::child& it) -> asio::awaitable<void> { co_await it.stop(); }(*c));
  refused([](coproc::child& it) -> asio::awaitable<void> { co_await it.communicate(); }(*c));
  refused([](coproc::child& it) -> asio::awaitable<void> { co_await it.wait(1s); }(*c));
  refused([](coproc::child& it) -> asio::awaitable<void> { co_await it.out().read_line(); }(*c));
  refused([](coproc::child& it) -> asio::awaitable<void> { co_await it.out().read_all(); }(*c));
  refused([](coproc::child& it) -> asio::awaitable<void> { co_await it.in().write("x"); }(*c));
  c.reset();
}

BOOST_AUTO_TEST_CASE(waiter_is_work_and_a_handle_is_none) {
  leak_check nothing_left;
  std::optional<coproc::child> c;
  asio::io_context loop;
  run_on(loop, start_into(c, piped(helper("eof", "exit=3"))));
  BOOST_TEST(loop.stopped(), "a child that nobody waits for keeps no loop running");
  std::optional<exit_status> status;
  asio::co_spawn(loop, wait_for(*c, status), [](std::exception_ptr e) { BOOST_TEST(!e); });
  loop.restart();
  loop.poll();
  BOOST_TEST(!loop.stopped());
  c->in().close();
  loop.run_for(deadline());
  BOOST_TEST((status == exit_status::exited(3)));
}

asio::awaitable<void> wait_in_vain(coproc::child& c) {
  auto status = co_await c.wait(5ms);
  BOOST_TEST(!status);
  auto cancelled = co_await beside(c.wait());
  co_await breathe();
  cancelled.cancel();
  bool aborted = co_await cancelled.aborted();
  BOOST_TEST(aborted);
}

BOOST_AUTO_TEST_CASE(waiter_that_gave_up_is_no_work) {
  leak_check nothing_left;
  std::optional<coproc::child> c;
  asio::io_context loop;
  run_on(loop, start_into(c, piped(helper("eof"))));
  run_on(loop, wait_in_vain(*c));
  BOOST_TEST(loop.stopped());
  BOOST_TEST(!c->poll());
}

asio::awaitable<void> communicate_past_a_grandchild(coproc::child& c, std::string& out) {
  auto result = co_await c.communicate();
  out = std::move(result.out);
}

BOOST_AUTO_TEST_CASE(finished_communicate_is_no_work) {
  leak_check nothing_left;
  std::optional<coproc::child> c;
  asio::io_context loop;
  run_on(loop, start_into(c, piped(helper("grandchild", "out=done")).drain_grace(10ms)));
  std::string out;
  run_on(loop, communicate_past_a_grandchild(*c, out));
  BOOST_TEST(loop.stopped(), "though somebody holds the stream open");
  BOOST_REQUIRE(!out.empty());
  killed_at_end cleanup(std::stoi(out));
  BOOST_TEST(out.ends_with("done"));
}

BOOST_AUTO_TEST_CASE(drop_on_a_loop_that_never_runs_again_is_reaped_by_others) {
  leak_check nothing_left;
  asio::io_context idle;
  std::optional<coproc::child> c;
  run_on(idle, start_into(c, piped(helper("pause"))));
  c.reset();
  // idle is destroyed without another run
}

BOOST_AUTO_TEST_CASE(unstarted_operations_leave_nothing) {
  leak_check nothing_left;
  { auto never = coproc::run(helper("exit=0")); }
  { auto never = coproc::spawn(helper("exit=0")); }
}

BOOST_AUTO_TEST_SUITE_END()
