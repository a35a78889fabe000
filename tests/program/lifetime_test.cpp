// Who may go first: handles, waiters, children, loops. That no child is left is checked after every test.
#include <coproc/child.hpp>

#include <coproc/run.hpp>
#include <coproc/spawn.hpp>

#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/helper.hpp"
#include "support/leak_check.hpp"
#include "support/pending.hpp"
#include "support/process_info.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <chrono>
#include <functional>
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

asio::awaitable<void> start_into(std::optional<coproc::child>& target, command c) {
  target = co_await coproc::spawn(std::move(c));
}

asio::awaitable<void> wait_for(coproc::child& c, std::optional<exit_status>& status) {
  status = co_await c.wait();
}

/// Runs one coroutine on a loop, to the end of all work.
std::exception_ptr run_on(asio::io_context& loop, asio::awaitable<void> body) {
  std::exception_ptr error;
  asio::co_spawn(loop, std::move(body), [&](std::exception_ptr e) { error = e; });
  loop.restart();
  loop.run_for(deadline());
  return error;
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
  auto c = std::make_unique<coproc::child>(co_await coproc::spawn(piped(helper("cat")).err(stdio::pipe())));
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

/// A detached child is nobody's work: what reaps it is the next operation of the library, whichever that is.
asio::awaitable<void> check_reaped_by_next_operation(int pid) {
  co_await end_of(pid);
  co_await thrown_by<std::system_error>(coproc::spawn(command("/no/such/program")));
  BOOST_TEST(process_state_of(pid) == '-');
}

CO_TEST(detached_child_lives_on) {
  int pid = 0;
  {
    auto c = co_await coproc::spawn(piped(helper("ignore=13", "say=ready", "eof", "pause")));
    co_await c.out().read_line();
    pid = c.pid();
    c.detach();
  }
  killed_at_end cleanup(pid);
  co_await breathe();
  BOOST_TEST(alive(pid));
  ::kill(pid, SIGKILL);
  co_await check_reaped_by_next_operation(pid);
}

CO_TEST(detach_closes_the_pipes) {
  auto c = co_await coproc::spawn(piped(helper("eof")));
  const int pid = c.pid();
  killed_at_end cleanup(pid);
  c.detach();
  co_await end_of(pid);
}

CO_TEST(after_detach_only_what_it_was_is_told) {
  auto c = co_await coproc::spawn(helper("pause").in(stdio::pipe()));
  const int pid = c.pid();
  killed_at_end cleanup(pid);
  auto waiter = co_await beside(c.wait());
  co_await breathe();
  c.detach();
  bool aborted = co_await waiter.aborted();
  BOOST_TEST(aborted);
  BOOST_TEST(c.pid() == pid);
  CHECK_CONTAINS(c.command().to_string(), "pause");
  BOOST_TEST(!c.usage());
  BOOST_CHECK_THROW(c.in(), std::logic_error);
  BOOST_CHECK_THROW(c.poll(), std::logic_error);
  BOOST_CHECK_THROW(c.terminate(), std::logic_error);
  co_await thrown_by<std::logic_error>([&] { return c.wait(); });
  co_await thrown_by<std::logic_error>([&] { return c.wait(1s); });
  co_await thrown_by<std::logic_error>([&] { return c.communicate(); });
  co_await thrown_by<std::logic_error>([&] { return c.stop(); });
}

CO_TEST(detach_of_the_dead_leaves_nothing) {
  auto c = co_await coproc::spawn(helper("exit=0"));
  const int pid = c.pid();
  co_await end_of(pid);
  c.detach();
  co_await check_reaped_by_next_operation(pid);
}

BOOST_AUTO_TEST_CASE(detached_child_outlives_its_loop_and_is_reaped_later) {
  leak_check nothing_left;
  int pid = 0;
  {
    std::optional<coproc::child> c;
    asio::io_context loop;
    run_on(loop, start_into(c, piped(helper("ignore=1", "eof", "pause"))));
    pid = c->pid();
    c->detach();
  }
  BOOST_TEST(alive(pid));
  ::kill(pid, SIGKILL);
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
