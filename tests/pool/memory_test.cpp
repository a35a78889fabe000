// Pools while the host has no memory, once.
#include <coproc/pool.hpp>

#include "pool/targets.hpp"
#include "support/allocations.hpp"
#include "support/co_test.hpp"

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <new>
#include <numeric>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(pool_memory)

namespace t = coproc::test::pool_targets;

namespace {

/// Runs @p loop for so long, going on when there was no memory.
void run_on(asio::io_context& loop, const bool& over, std::chrono::milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!over && std::chrono::steady_clock::now() < end) {
    try {
      loop.restart();
      loop.run_one_for(20ms);
    } catch (const std::bad_alloc&) {
    }
  }
}

void warm_up(asio::io_context& loop, coproc::pool& workers) {
  bool over = false;
  asio::co_spawn(loop, workers.apply<t::square>(1), [&](std::exception_ptr, int) { over = true; });
  run_on(loop, over, 10s);
}

/// Runs @p attempt in a fork: where Asio itself finds no memory to suspend a coroutine, the process ends.
/// @returns whether what it is about went well, or could not be tried.
template <class Attempt>
bool holds_in_a_fork(Attempt attempt) {
  const ::pid_t child = ::fork();
  if (child == 0) {
    std::set_terminate([] { ::_exit(0); });
    ::_exit(attempt() ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status == 0;
}

} // namespace

BOOST_AUTO_TEST_CASE(map_that_finds_no_memory_throws_and_never_gives_some_of_the_results) {
  if (!allocations_are_counted) return;
  std::vector<int> items(300);
  std::iota(items.begin(), items.end(), 0);
  for (std::size_t nth = 1; nth != 150; ++nth) {
    const bool whole = holds_in_a_fork([&] {
      asio::io_context loop;
      coproc::pool workers(loop.get_executor(), 1);
      warm_up(loop, workers);
      bool over = false, is_short = false;
      asio::co_spawn(loop, workers.map<t::square>(items, coproc::map_options().chunk_size(10)),
                     [&](const std::exception_ptr& error, const std::vector<int>& results) {
                       over = true;
                       is_short = !error && results.size() != items.size();
                     });
      const failing_allocation none(nth);
      run_on(loop, over, 100ms);
      return !is_short;
    });
    BOOST_TEST(whole, "allocation " << nth);
  }
}

BOOST_AUTO_TEST_CASE(pool_that_found_no_memory_once_runs_later_tasks) {
  if (!allocations_are_counted) return;
  for (std::size_t nth = 1; nth != 40; ++nth) {
    const bool went_on = holds_in_a_fork([&] {
      asio::io_context loop;
      coproc::pool workers(loop.get_executor(), 1);
      warm_up(loop, workers);
      bool over = false, later = false;
      asio::co_spawn(loop, workers.apply<t::raise_signal>(9), [&](std::exception_ptr, int) { over = true; });
      {
        const failing_allocation none(nth);
        run_on(loop, over, 100ms);
      }
      asio::co_spawn(loop, workers.apply<t::square>(2), [&](std::exception_ptr, int) { later = true; });
      run_on(loop, later, 2s);
      return later;
    });
    BOOST_TEST(went_on, "allocation " << nth);
  }
}

BOOST_AUTO_TEST_SUITE_END()
