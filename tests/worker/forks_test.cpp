// Forks of the host, which have copies of all that it has: its signal handlers, its children, its pools.
#include <coproc/process.hpp>

#include <coproc/command.hpp>
#include <coproc/connection.hpp>
#include <coproc/make_pipe.hpp>
#include <coproc/pool.hpp>
#include <coproc/pool_closed.hpp>
#include <coproc/process_died.hpp>
#include <coproc/spawn.hpp>

#include "pool/targets.hpp"
#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/forked.hpp"
#include "support/helper.hpp"
#include "support/host_state.hpp"
#include "support/method_test.hpp"
#include "support/pending.hpp"
#include "worker/targets.hpp"

#include <asio/co_spawn.hpp>
#include <asio/execution/context.hpp>
#include <asio/execution_context.hpp>
#include <asio/io_context.hpp>
#include <asio/query.hpp>
#include <asio/signal_set.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <exception>
#include <optional>
#include <stdexcept>
#include <utility>

#include <signal.h>
#include <unistd.h>

using namespace coproc::test;
using namespace coproc::test::process_targets;

BOOST_AUTO_TEST_SUITE(worker_forks)

using coproc::fork_target;
using coproc::process;
using coproc::start_method;
using coproc::stdio;
using coproc::target;

CO_TEST_ONCE(signal_to_a_child_that_has_just_begun_is_not_the_hosts) {
  asio::signal_set own(co_await this_executor(), SIGTERM);
  auto signalled = co_await beside(own.async_wait(asio::use_awaitable));
  for (int i = 0; i != 20; ++i) {
    process p{fork_target, [] {
                for (;;) ::pause();
              }};
    co_await p.start();
    p.terminate();
    co_await p.join();
    BOOST_TEST(p.exitcode().value() == -SIGTERM);
  }
  BOOST_TEST(!signalled.done());
  own.cancel();
  bool aborted = co_await signalled.aborted();
  BOOST_TEST(aborted);
}

METHOD_TEST_ONCE(copy_of_a_process_in_a_fork_leaves_it_alone) {
  std::optional<process<int>> sibling;
  sibling.emplace(by(method).in(stdio::pipe()), target<end_with_input>);
  co_await sibling->start();
  process p{fork_target, [&sibling] { sibling.reset(); }}; // as exit() does to one that is static
  co_await p.start();
  co_await p.result();
  BOOST_TEST(sibling->is_alive());
  sibling->in().close();
  int code = co_await sibling->result();
  BOOST_TEST(code == 7);
}

METHOD_TEST_ONCE(copy_of_a_pool_in_a_fork_leaves_it_alone) {
  std::optional<coproc::pool> workers;
  workers.emplace(co_await this_executor(), coproc::pool_options().size(3).method(method));
  auto program = co_await beside(workers->run(coproc::command("sleep", "0.3")));
  auto running = workers->apply_async<pool_targets::sleep_ms>(300);
  co_await workers->apply<pool_targets::square>(3);
  process p{fork_target, [&workers] { workers.reset(); }};
  co_await p.start();
  co_await p.result();
  co_await running.get();
  coproc::completed slept = co_await program.result();
  BOOST_TEST(slept.status.success(), slept.status.to_string());
  int nine = co_await workers->apply<pool_targets::square>(3);
  BOOST_TEST(nine == 9);
  BOOST_TEST(workers->stats().restarted == 0u);
}

// Forks that the library has not made, and whose copies nobody closes.

METHOD_TEST_ONCE(plain_fork_that_lets_go_of_its_copies_leaves_the_loop_of_the_host_alone) {
  std::optional<process<int>> sibling;
  sibling.emplace(by(method).in(stdio::pipe()), target<end_with_input>);
  co_await sibling->start();
  std::optional<coproc::child> program;
  auto c = helper("say=ready", "eof", "say=done").in(stdio::pipe()).out(stdio::pipe());
  program = co_await coproc::spawn(std::move(c));
  co_await program->out().read_line();
  auto ends = coproc::make_pipe<int, int>();
  std::optional<coproc::connection<int, int>> end(std::move(ends.first));
  auto result = co_await beside(sibling->result());
  auto line = co_await beside(program->out().read_line());
  auto ended = co_await beside(program->wait());
  auto value = co_await beside(end->recv());
  co_await breathe();
  forked copy([&] { // as exit() does to what is static
    sibling.reset();
    program.reset();
    end.reset();
  });
  BOOST_TEST(copy.ended_well());
  BOOST_TEST(sibling->is_alive());
  sibling->in().close();
  int code = co_await result.result();
  BOOST_TEST(code == 7);
  program->in().close();
  auto text = co_await line.result();
  BOOST_TEST(text.value() == "done");
  auto status = co_await ended.result();
  BOOST_TEST(status.success(), status.to_string());
  co_await ends.second.send(5);
  int five = co_await value.result();
  BOOST_TEST(five == 5);
}

/// A fork that goes on with the loop of the host, as execution_context::notify_fork(3) has it, until a
/// condition that comes true there does so.
template <class Condition>
forked fork_with_loop(asio::any_io_executor executor, Condition condition) {
  auto& loop = static_cast<asio::io_context&>(asio::query(executor, asio::execution::context));
  loop.notify_fork(asio::execution_context::fork_prepare);
  forked copy([&] {
    loop.notify_fork(asio::execution_context::fork_child);
    std::optional<bool> outcome;
    asio::co_spawn(loop, condition(), [&](std::exception_ptr, bool holds) { outcome = holds; });
    const auto end = std::chrono::steady_clock::now() + deadline();
    while (!outcome && loop.run_one_until(end) != 0) continue;
    if (!outcome.value_or(false)) throw std::runtime_error("it does not hold");
  });
  loop.notify_fork(asio::execution_context::fork_parent);
  return copy;
}

asio::awaitable<bool> died(pending<int>& operation) {
  try {
    co_await operation.result();
    co_return false;
  } catch (const coproc::process_died&) {
  }
  co_return true;
}

METHOD_TEST_ONCE(plain_fork_that_goes_on_with_the_loop_takes_no_result_of_the_host) {
  for (bool host_is_first : {false, true}) {
    process<int> p{by(method).in(stdio::pipe()), target<end_with_input>};
    co_await p.start();
    auto result = co_await beside(p.result());
    co_await breathe();
    auto gate = make_pipe();
    auto executor = co_await this_executor();
    forked copy = fork_with_loop(executor, [&] {
      p.in().close();
      gate.second.close();
      if (host_is_first) read_to_end(gate.first.get());
      return died(result);
    });
    p.in().close();
    if (!host_is_first) BOOST_TEST(copy.ended_well());
    int code = co_await result.result();
    BOOST_TEST(code == 7);
    co_await p.join();
    BOOST_TEST(p.exitcode().value() == 0);
    gate.second.close();
    if (host_is_first) BOOST_TEST(copy.ended_well());
  }
}

METHOD_TEST_ONCE(plain_fork_that_goes_on_with_the_loop_leaves_a_start_to_the_host) {
  if (method == start_method::fork) co_return; // does not wait
  process<int> p{by(method).in(stdio::pipe()), target<end_with_input>};
  auto start = co_await beside(p.start());
  co_await breathe();
  auto executor = co_await this_executor();
  forked copy = fork_with_loop(executor, [&] { return start.aborted(); });
  BOOST_TEST(copy.ended_well());
  BOOST_TEST(!start.done());
  co_await start.result();
  p.in().close();
  int code = co_await p.result();
  BOOST_TEST(code == 7);
}

asio::awaitable<bool> is_closed(coproc::pool& workers) {
  try {
    co_await workers.apply<pool_targets::square>(3);
    co_return false;
  } catch (const coproc::pool_closed&) {
  }
  co_return true;
}

METHOD_TEST_ONCE(plain_fork_that_goes_on_with_the_loop_leaves_the_pool_to_the_host) {
  for (bool host_is_first : {false, true}) {
    coproc::pool workers(co_await this_executor(), coproc::pool_options().size(2).method(method));
    pool_targets::announcements started, go;
    auto running = co_await beside(workers.apply<pool_targets::announce_and_wait>(started, go));
    (void)co_await started.get();
    auto gate = make_pipe();
    auto executor = co_await this_executor();
    forked copy = fork_with_loop(executor, [&]() -> asio::awaitable<bool> {
      gate.second.close();
      if (host_is_first) read_to_end(gate.first.get());
      const bool aborted = co_await running.aborted();
      const bool closed = co_await is_closed(workers);
      co_return aborted&& closed;
    });
    if (!host_is_first) BOOST_TEST(copy.ended_well());
    co_await go.put(100);
    int got = co_await running.result();
    BOOST_TEST(got == 100);
    int nine = co_await workers.apply<pool_targets::square>(3);
    BOOST_TEST(nine == 9);
    BOOST_TEST(workers.stats().restarted == 0u);
    gate.second.close();
    if (host_is_first) BOOST_TEST(copy.ended_well());
  }
}

METHOD_TEST_ONCE(copy_of_a_pool_in_a_plain_fork_takes_no_tasks_and_ends_no_workers) {
  coproc::pool workers(co_await this_executor(), coproc::pool_options().size(2).method(method));
  co_await workers.apply<pool_targets::square>(3);
  forked copy([&] {
    workers.apply_async<pool_targets::kill_self>();
    workers.close();
    workers.terminate();
  });
  BOOST_TEST(copy.ended_well());
  int nine = co_await workers.apply<pool_targets::square>(3);
  BOOST_TEST(nine == 9);
  BOOST_TEST(workers.stats().restarted == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
