// Function processes, many and for long, with deaths at random. COPROC_STRESS_RUNS scales it.
#include <coproc/process.hpp>

#include "support/expect.hpp"
#include "support/fork_servers.hpp"
#include "support/leak_check.hpp"
#include "support/method_test.hpp"
#include "support/pending.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <exception>
#include <fstream>
#include <random>
#include <vector>

#include <signal.h>
#include <unistd.h>

using namespace coproc::test;

BOOST_AUTO_TEST_SUITE(function_stress)

using coproc::process;
using coproc::start_method;
using coproc::target;

const std::size_t runs = scale_from_environment("COPROC_STRESS_RUNS", sanitized ? 500 : 10'000);

/// Bytes that are resident at this moment.
std::size_t resident() {
  std::ifstream file("/proc/self/statm");
  std::size_t total = 0, pages = 0;
  file >> total >> pages;
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

int increment(int n) { return n + 1; }

asio::awaitable<void> start_some(start_method method, std::size_t count) {
  for (std::size_t i = 0; i != count; ++i) {
    process p{by(method), target<increment>, static_cast<int>(i)};
    co_await p.start();
    int result = co_await p.result();
    if (result != static_cast<int>(i) + 1) BOOST_ERROR("a wrong result");
  }
}

/// Runs @p body without a deadline: how long it takes is up to COPROC_STRESS_RUNS.
void run_to_end(asio::awaitable<void> body) {
  leak_check nothing_left;
  asio::io_context loop;
  std::exception_ptr error;
  asio::co_spawn(loop, std::move(body), [&](std::exception_ptr e) { error = e; });
  loop.run();
  if (error) std::rethrow_exception(error);
}

asio::awaitable<void> starts_leak_nothing(start_method method) {
  // The others are slow, or copy this process.
  const std::size_t count = method == start_method::forkserver ? runs : runs / 20;
  co_await start_some(method, count / 10); // everything has its size by then
  const std::size_t before = resident();
  auto first = co_await beside(start_some(method, count / 2));
  auto second = co_await beside(start_some(method, count / 2));
  co_await first.result();
  co_await second.result();
  const std::size_t after = resident();
  if (!sanitized) BOOST_TEST(after < before + (std::size_t(4) << 20), before << " bytes before, " << after);
}

BOOST_AUTO_TEST_CASE(starts_leak_nothing_by_forkserver) {
  run_to_end(starts_leak_nothing(start_method::forkserver));
}
BOOST_AUTO_TEST_CASE(starts_leak_nothing_by_spawn) { run_to_end(starts_leak_nothing(start_method::spawn)); }
BOOST_AUTO_TEST_CASE(starts_leak_nothing_by_fork) { run_to_end(starts_leak_nothing(start_method::fork)); }

int increment_or_stay(int n) {
  while (n == 3) ::pause();
  return n + 1;
}

asio::awaitable<void> die_at_random() {
  std::mt19937 random(1);
  const auto chance = [&random](unsigned one_in) { return random() % one_in == 0; };
  std::size_t values = 0, deaths = 0, failures = 0;
  for (std::size_t i = 0; i != runs / 20; ++i) {
    std::vector<process<int>> all;
    std::vector<pending<void>> starts;
    for (int n = 0; n != 4; ++n) all.emplace_back(target<increment_or_stay>, n);
    for (auto& p : all) {
      auto start = co_await beside(p.start());
      starts.push_back(std::move(start));
    }
    if (chance(20)) co_await breathe();
    if (chance(10))
      for (const int server : servers()) ::kill(server, SIGKILL);
    for (int n = 0; n != 4; ++n) {
      process<int>& p = all[static_cast<std::size_t>(n)];
      try {
        co_await starts[static_cast<std::size_t>(n)].result();
        if (n == 3 || chance(5)) p.kill(); // the others may have ended by now
        if (chance(10)) continue;          // dropped
        int result = co_await p.result();
        BOOST_TEST(result == n + 1);
        ++values;
      } catch (const coproc::process_died&) {
        ++deaths;
      } catch (const coproc::bootstrap_error&) { // its server was killed twice
        ++failures;
      }
    }
  }
  BOOST_TEST(values > runs / 20);
  BOOST_TEST(deaths > 0u);
  BOOST_TEST(failures <= runs / 100);
}

BOOST_AUTO_TEST_CASE(deaths_at_random_are_told_and_wedge_nobody) { run_to_end(die_at_random()); }

BOOST_AUTO_TEST_SUITE_END()
