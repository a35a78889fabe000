// The host's side of the fork server while there is no memory.
#include <coproc/process.hpp>

#include "support/allocations.hpp"
#include "support/fork_servers.hpp"
#include "support/leak_check.hpp"
#include "support/loops.hpp"
#include "worker/targets.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <chrono>
#include <exception>
#include <new>
#include <optional>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(fork_server_memory)

using coproc::process;
using coproc::process_options;
using coproc::stdio;
using coproc::target;
using process_targets::end_with_input;

constexpr std::size_t allocations_of_an_operation = 300; // more than there are

int add(int a, int b) { return a + b; }

asio::awaitable<void> check_next() {
  process next{target<add>, 1, 2};
  co_await next.start();
  const int sum = co_await next.result();
  BOOST_TEST(sum == 3);
}

asio::awaitable<void> start(process<int>& p) { co_await p.start(); }

/// A child that ends when its input does.
struct obedient : process<int> {
  obedient() : process(process_options().in(stdio::pipe()).out(stdio::null()), target<end_with_input>) {}
};

/// A loop with a server, which is what fails first otherwise.
struct warm_loop : asio::io_context {
  warm_loop() {
    const auto error = run_on(*this, check_next());
    BOOST_REQUIRE(!error);
  }
};

/// What became of a coroutine: it may also be lost, when there is no memory to resume it.
struct outcome {
  bool over = false;
  std::exception_ptr error;
};

template <class T>
void begin(asio::io_context& loop, asio::awaitable<T> operation, outcome& told) {
  const auto note = [&told](std::exception_ptr error) {
    told.over = true;
    told.error = std::move(error);
  };
  if constexpr (std::is_void_v<T>)
    asio::co_spawn(loop, std::move(operation), note);
  else
    asio::co_spawn(loop, std::move(operation), [note](std::exception_ptr error, const T&) { note(error); });
}

/// Runs what is ready, so that what was begun waits.
void settle(asio::io_context& loop) {
  loop.restart();
  loop.poll();
}

/// Runs @p loop until the @p nth allocation has failed, or for a moment. @returns whether it has.
bool run_short_of_memory(asio::io_context& loop, std::size_t nth) {
  loop.restart();
  const failing_allocation none(nth);
  for (int i = 0; i != 20 && !none.struck() && !loop.stopped(); ++i) {
    try {
      loop.run_one_for(20ms);
    } catch (const std::bad_alloc&) {
    }
  }
  return none.struck();
}

/// Runs @p loop to the end of all work, if that comes.
bool runs_to_its_end(asio::io_context& loop) {
  loop.restart();
  loop.run_for(deadline() / 4);
  return loop.stopped();
}

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

BOOST_AUTO_TEST_CASE(answer_that_finds_no_memory_is_not_lost) {
  int untold = 0;
  fail_each_allocation([&untold](std::size_t nth) {
    warm_loop loop;
    std::optional<stopped_server> server(std::in_place);
    obedient p;
    outcome started;
    begin(loop, p.start(), started);
    settle(loop);
    BOOST_REQUIRE(!started.over);
    server.reset();
    const bool struck = run_short_of_memory(loop, nth);
    BOOST_REQUIRE(runs_to_its_end(loop));
    if (!started.over) ++untold;
    return struck;
  });
  BOOST_TEST(untold <= 1, "nobody can tell a coroutine whose own resumption finds no memory");
}

BOOST_AUTO_TEST_CASE(death_of_the_server_that_finds_no_memory_is_told_when_there_is_some_again) {
  int untold = 0;
  fail_each_allocation([&untold](std::size_t nth) {
    warm_loop loop;
    obedient first, second, third;
    BOOST_REQUIRE(!run_on(loop, start(first)));
    BOOST_REQUIRE(!run_on(loop, start(second)));
    outcome first_end, second_end, start_of_third;
    begin(loop, first.join(), first_end);
    begin(loop, second.join(), second_end);
    settle(loop);
    stopped_server server;
    begin(loop, third.start(), start_of_third);
    settle(loop);
    server.kill();
    const bool struck = run_short_of_memory(loop, nth);
    first.in().close();
    second.in().close();
    BOOST_REQUIRE(runs_to_its_end(loop));
    BOOST_TEST((!first.is_alive() && !second.is_alive()));
    untold += !first_end.over + !second_end.over + !start_of_third.over;
    return struck;
  });
  BOOST_TEST(untold <= 3, "each may be the one whose own resumption finds no memory");
}

/// A process that somebody joins.
struct joined {
  joined() {
    BOOST_REQUIRE(!run_on(*loop, start(*p)));
    begin(*loop, p->join(), join);
    settle(*loop);
  }

  std::optional<warm_loop> loop{std::in_place};
  std::optional<obedient> p{std::in_place};
  outcome join;
};

/// A process whose start has not been answered.
struct starting {
  starting() {
    begin(*loop, p->start(), start);
    settle(*loop);
    BOOST_REQUIRE(!start.over);
  }

  std::optional<warm_loop> loop{std::in_place};
  std::optional<stopped_server> server{std::in_place};
  std::optional<obedient> p{std::in_place};
  outcome start;
};

BOOST_AUTO_TEST_CASE(handle_that_goes_while_there_is_no_memory_kills_its_process) {
  fail_each_allocation([](std::size_t nth) {
    joined dropped;
    failing_allocation none(nth);
    dropped.p.reset();
    const bool struck = none.struck();
    BOOST_REQUIRE(runs_to_its_end(*dropped.loop));
    BOOST_TEST((struck || dropped.join.over));
    return struck;
  });
}

BOOST_AUTO_TEST_CASE(handle_that_goes_during_a_start_while_there_is_no_memory_leaves_nothing) {
  fail_each_allocation([](std::size_t nth) {
    starting dropped;
    failing_allocation none(nth);
    dropped.p.reset();
    const bool struck = none.struck();
    dropped.server.reset();
    BOOST_REQUIRE(runs_to_its_end(*dropped.loop));
    return struck;
  });
}

BOOST_AUTO_TEST_CASE(detach_while_there_is_no_memory_can_be_repeated) {
  fail_each_allocation([](std::size_t nth) {
    joined left;
    auto input = std::move(left.p->in());
    failing_allocation none(nth);
    try {
      left.p->detach();
    } catch (const std::bad_alloc&) {
    }
    const bool struck = none.struck();
    try {
      left.p->detach();
    } catch (const std::logic_error&) { // it was detached
    }
    BOOST_REQUIRE(runs_to_its_end(*left.loop));
    BOOST_TEST((struck || left.join.over));
    return struck;
  });
}

asio::awaitable<void> take_result(process<int>& p, int& result) { result = co_await p.result(); }

BOOST_AUTO_TEST_CASE(result_that_finds_no_memory_is_not_told_as_a_death) {
  fail_each_allocation([](std::size_t nth) {
    warm_loop loop;
    obedient p;
    BOOST_REQUIRE(!run_on(loop, start(p)));
    p.in().close();
    outcome end, first;
    begin(loop, p.join(), end);
    BOOST_REQUIRE((runs_to_its_end(loop) && end.over));
    int result = 0;
    begin(loop, take_result(p, result), first);
    const bool struck = run_short_of_memory(loop, nth);
    (void)runs_to_its_end(loop);
    if (!first.error) return struck;
    for (int i = 0; i != 2; ++i) {
      const auto again = run_on(loop, take_result(p, result));
      if (!again) {
        BOOST_TEST(result == 7);
      } else {
        BOOST_CHECK_THROW(std::rethrow_exception(again), std::bad_alloc);
      }
    }
    return struck;
  });
}

BOOST_AUTO_TEST_SUITE_END()
