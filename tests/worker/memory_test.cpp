// Function processes while the host has no memory.
#include <coproc/process.hpp>

#include "support/allocations.hpp"
#include "support/expect.hpp"
#include "support/leak_check.hpp"
#include "support/loops.hpp"
#include "support/pending.hpp"
#include "worker/targets.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <chrono>
#include <new>
#include <optional>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(worker_memory)

using coproc::process;
using coproc::process_options;
using coproc::stdio;
using coproc::target;
using process_targets::end_with_input;

constexpr std::size_t allocations_of_an_operation = 30; // more than there are

int add(int a, int b) { return a + b; }

asio::awaitable<void> check_next() {
  process next{target<add>, 1, 2};
  co_await next.start();
  const int sum = co_await next.result();
  BOOST_TEST(sum == 3);
}

CO_TEST_ONCE(join_that_finds_no_memory_fails_alone) {
  if (!allocations_are_counted) co_return;
  for (std::size_t nth = 1; nth != allocations_of_an_operation; ++nth) {
    process<int> p(process_options().in(stdio::pipe()).out(stdio::null()), target<end_with_input>);
    co_await p.start();
    bool struck;
    {
      failing_allocation none(nth);
      try {
        (void)co_await p.join(0s);
      } catch (const std::bad_alloc&) {
      }
      struck = none.struck();
    }
    co_await check_next();
    p.in().close();
    const int back = co_await p.result();
    BOOST_TEST(back == 7);
    if (!struck) break;
  }
}

asio::awaitable<void> start(process<int>& p) { co_await p.start(); }

/// Joins, in a loop, a child that ends while the @p nth allocation fails. @returns whether it was told.
bool joins_when_memory_is_back(std::size_t nth, bool& struck) {
  leak_check nothing_left;
  asio::io_context loop;
  process<int> p(process_options().in(stdio::pipe()).out(stdio::null()), target<end_with_input>);
  auto error = run_on(loop, start(p));
  BOOST_REQUIRE(!error);
  bool told = false;
  asio::co_spawn(loop, p.join(), [&](std::exception_ptr e) { told = !e; });
  loop.restart();
  loop.poll();
  p.in().close();
  {
    failing_allocation none(nth);
    for (int i = 0; i != 20 && !told && !none.struck(); ++i) {
      try {
        loop.run_one_for(100ms);
      } catch (const std::bad_alloc&) {
      }
    }
    struck = none.struck();
  }
  loop.run_for(deadline() / 4);
  BOOST_TEST(loop.stopped());
  error = run_on(loop, check_next());
  BOOST_TEST(!error);
  return told;
}

BOOST_AUTO_TEST_CASE(end_that_finds_no_memory_is_told_when_there_is_some_again) {
  if (!allocations_are_counted) return;
  int untold = 0;
  bool struck = true;
  for (std::size_t nth = 1; struck && nth != allocations_of_an_operation; ++nth)
    if (!joins_when_memory_is_back(nth, struck)) ++untold;
  BOOST_TEST(untold <= 1, "nobody can tell a coroutine whose own resumption finds no memory");
}

BOOST_AUTO_TEST_SUITE_END()
