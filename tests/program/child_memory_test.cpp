// Programs while the host has no memory.
#include <coproc/child.hpp>

#include <coproc/output_limit.hpp>
#include <coproc/run.hpp>
#include <coproc/spawn.hpp>

#include "support/allocations.hpp"
#include "support/co_test.hpp"
#include "support/fault.hpp"
#include "support/helper.hpp"
#include "support/leak_check.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <cerrno>
#include <chrono>
#include <exception>
#include <new>
#include <utility>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(child_memory)

using coproc::child;
using coproc::command;
using coproc::stdio;
using coproc::stop_policy;

constexpr std::size_t allocations_of_an_operation = 200; // more than there are

/// What became of a coroutine: it may also be lost, when there is no memory to resume it.
struct outcome {
  bool over = false;
  std::exception_ptr error;

  bool failed_with_bad_alloc() const {
    try {
      if (error) std::rethrow_exception(error);
    } catch (const std::bad_alloc&) {
      return true;
    } catch (...) {
    }
    return false;
  }
};

template <class T>
void begin(asio::io_context& loop, asio::awaitable<T> operation, outcome& told) {
  asio::co_spawn(loop, std::move(operation), [&told](std::exception_ptr error, const T&) {
    told.over = true;
    told.error = std::move(error);
  });
}

/// Runs what is ready, so that what was begun waits.
void settle(asio::io_context& loop) {
  loop.restart();
  loop.poll();
}

/// What running a loop came to, with an allocation that failed.
struct shortage {
  bool struck = false;
  bool thrown = false; // out of the loop
};

/// Runs @p loop while the @p nth allocation fails, until it has or @p told is over.
shortage run_short_of_memory(asio::io_context& loop, std::size_t nth, const outcome& told) {
  shortage seen;
  loop.restart();
  const failing_allocation none(nth);
  for (int i = 0; i != 50 && !told.over && !none.struck(); ++i) {
    try {
      loop.run_one_for(100ms);
    } catch (const std::bad_alloc&) {
      seen.thrown = true;
    }
  }
  seen.struck = none.struck();
  return seen;
}

/// Runs @p loop to the end of all work, if that comes.
void run_on_with_memory(asio::io_context& loop) {
  loop.restart();
  loop.run_for(deadline() / 4);
}

asio::awaitable<void> start_into(child& target, command program) {
  target = co_await coproc::spawn(std::move(program));
}

child start(asio::io_context& loop, command program) {
  child started;
  bool over = false;
  asio::co_spawn(loop, start_into(started, std::move(program)), [&](std::exception_ptr) { over = true; });
  while (!over && loop.run_one() != 0) { // and no longer, since a timeout is work of the loop, too
  }
  return started;
}

/// Ends when its input does.
command obedient() { return helper("eof").in(stdio::pipe()); }

/// Ignores SIGTERM.
command stubborn() { return helper("ignore=15", "say=ready", "pause").out(stdio::pipe()); }

void await_ready(asio::io_context& loop, child& program) {
  outcome said;
  begin(loop, program.out().read_line(), said);
  run_on_with_memory(loop);
  BOOST_REQUIRE(said.over);
}

/// A program that two coroutines wait for.
struct awaited_twice {
  awaited_twice() {
    begin(loop, c.wait(), first);
    begin(loop, c.wait(), second);
    settle(loop);
  }

  asio::io_context loop;
  child c = start(loop, obedient());
  outcome first, second;
};

/// Calls @p attempt(nth), which @returns whether it came to that failure, for each allocation there is.
template <class Attempt>
void fail_each_allocation(Attempt attempt) {
  if (!allocations_are_counted) return;
  bool struck = true;
  for (std::size_t nth = 1; struck && nth != allocations_of_an_operation; ++nth) {
    BOOST_TEST_CONTEXT("allocation " << nth) {
      leak_check nothing_left;
      struck = attempt(nth);
    }
  }
  BOOST_TEST(!struck, "there are more allocations than that");
}

BOOST_AUTO_TEST_CASE(result_that_finds_no_memory_is_not_lost_without_a_word) {
  fail_each_allocation([](std::size_t nth) {
    asio::io_context loop;
    outcome result;
    begin(loop, coproc::run(helper("say=hi")), result);
    const auto seen = run_short_of_memory(loop, nth, result);
    run_on_with_memory(loop);
    BOOST_REQUIRE(loop.stopped());
    BOOST_TEST((result.over || seen.thrown));
    return seen.struck;
  });
}

BOOST_AUTO_TEST_CASE(end_that_one_waiter_finds_no_memory_for_is_told_to_the_others) {
  fail_each_allocation([](std::size_t nth) {
    awaited_twice waiting;
    waiting.c.in().close();
    const auto seen = run_short_of_memory(waiting.loop, nth, waiting.second);
    run_on_with_memory(waiting.loop);
    BOOST_REQUIRE(waiting.loop.stopped());
    BOOST_TEST((waiting.first.over || waiting.second.over));
    return seen.struck;
  });
}

BOOST_AUTO_TEST_CASE(wait_that_finds_no_memory_to_look_again_fails) {
  fail_each_allocation([](std::size_t nth) {
    asio::io_context loop;
    fault no_clone3(coproc::os::call::clone3, ENOSYS);
    fault no_pidfd(coproc::os::call::pidfd_open, ENOSYS); // it is looked at again and again
    child c = start(loop, obedient());
    outcome waiter;
    begin(loop, c.wait(), waiter);
    settle(loop);
    const auto seen = run_short_of_memory(loop, nth, waiter);
    c.in().close();
    run_on_with_memory(loop);
    BOOST_REQUIRE(waiter.over);
    outcome next;
    begin(loop, c.wait(), next);
    run_on_with_memory(loop);
    BOOST_TEST((next.over && !next.error), "another wait is told of the end");
    return seen.struck && nth != 5; // each look is like the one before
  });
}

BOOST_AUTO_TEST_CASE(stop_that_finds_no_memory_can_be_repeated) {
  fail_each_allocation([](std::size_t nth) {
    asio::io_context loop;
    child c = start(loop, stubborn());
    await_ready(loop, c);
    outcome stopped;
    begin(loop, c.stop(stop_policy(10ms)), stopped);
    const auto seen = run_short_of_memory(loop, nth, stopped);
    outcome again;
    begin(loop, c.stop(stop_policy(10ms)), again);
    run_on_with_memory(loop);
    BOOST_REQUIRE((again.over && !again.error));
    return seen.struck;
  });
}

BOOST_AUTO_TEST_CASE(communicate_stops_a_flood_that_an_earlier_one_found_no_memory_to_stop) {
  fail_each_allocation([](std::size_t nth) {
    asio::io_context loop;
    child c = start(loop, helper("ignore=15", "flood=100000000", "pause")
                              .out(stdio::pipe())
                              .max_output(100)
                              .stop(stop_policy(10ms)));
    outcome first;
    begin(loop, c.communicate(), first);
    const auto seen = run_short_of_memory(loop, nth, first);
    if (!first.over) run_on_with_memory(loop);
    if (first.over && !first.failed_with_bad_alloc()) return seen.struck;
    outcome second;
    begin(loop, c.communicate(), second);
    run_on_with_memory(loop);
    BOOST_REQUIRE(second.over);
    BOOST_CHECK_THROW(std::rethrow_exception(second.error), coproc::output_limit);
    return seen.struck;
  });
}

BOOST_AUTO_TEST_CASE(detach_that_finds_no_memory_closes_the_streams_and_tells_the_other_waiters) {
  {
    leak_check nothing_left;
    asio::io_context loop; // the list of those to be reaped some day has room from here on
    start(loop, obedient()).detach();
  }
  fail_each_allocation([](std::size_t nth) {
    awaited_twice waiting;
    bool thrown = false;
    failing_allocation none(nth);
    try {
      waiting.c.detach();
    } catch (const std::bad_alloc&) {
      thrown = true;
    }
    const bool struck = none.struck();
    run_on_with_memory(waiting.loop);
    BOOST_REQUIRE(waiting.loop.stopped());
    BOOST_TEST((waiting.first.over || waiting.second.over));
    BOOST_TEST((thrown || (waiting.first.over && waiting.second.over)));
    return struck; // its end, which is that of its input, is awaited by the leak check
  });
}

BOOST_AUTO_TEST_CASE(handle_that_goes_while_there_is_no_memory_leaves_no_zombie) {
  fail_each_allocation([](std::size_t nth) {
    awaited_twice waiting;
    failing_allocation none(nth);
    waiting.c = child();
    const bool struck = none.struck();
    run_on_with_memory(waiting.loop);
    BOOST_REQUIRE(waiting.loop.stopped());
    BOOST_TEST((waiting.first.over || waiting.second.over));
    return struck;
  });
}

BOOST_AUTO_TEST_SUITE_END()
