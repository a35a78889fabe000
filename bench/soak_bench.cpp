// Question: does anything grow, however many programs have been run?
// Unit: what 100,000 runs leave behind: KiB of resident memory, open descriptors, zombies. And the time of
// one. Varies: what is done, in turn: start and wait, run and capture, a program that is not there, a handle
// that is dropped
//   while its program runs.
// Fixed: the tiny program; 2,000 runs before the first look, so that allocators have what they keep.

#include "support/config.hpp"
#include "support/contest.hpp"

#include <coproc/run.hpp>
#include <coproc/spawn.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <benchmark/benchmark.h>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <iterator>
#include <stdexcept>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace bench {

namespace {

asio::awaitable<void> one(int kind) {
  coproc::command program(kind == 2 ? "/nonexistent/program" : config::tiny);
  if (kind == 1) {
    const auto result = co_await coproc::run(std::move(program));
    if (!result.status.success()) throw std::runtime_error("the program failed");
    co_return;
  }
  bool failed = false;
  try {
    auto child = co_await coproc::spawn(std::move(program));
    if (kind == 0) co_await child.wait();
  } catch (const std::system_error&) {
    failed = true;
  }
  if (failed != (kind == 2)) throw std::runtime_error("the start went otherwise than expected");
}

asio::awaitable<void> many(std::int64_t count) {
  for (std::int64_t n = 0; n < count; ++n) co_await one(static_cast<int>(n % 4));
}

void run(std::int64_t count) {
  asio::io_context context(1);
  std::exception_ptr failed;
  asio::co_spawn(context, many(count), [&](std::exception_ptr e) { failed = e; });
  context.run(); // ends when the last dropped program has been reaped, too
  if (failed) std::rethrow_exception(failed);
}

double resident_kib() {
  long pages = 0, resident = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%ld %ld", &pages, &resident) != 2) resident = 0;
    std::fclose(file);
  }
  return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1024;
}

double descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<double>(std::distance(begin(all), end(all)));
}

double zombies() {
  siginfo_t info{};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0 && info.si_pid != 0 ? 1 : 0;
}

void soak(benchmark::State& state, bool smoke) {
  const std::int64_t count = smoke ? 40 : 100'000;
  try {
    run(smoke ? 4 : 2'000);
    const double memory = resident_kib(), open = descriptors();
    while (state.KeepRunningBatch(count)) run(count);
    state.counters["memory_growth_kib"] = resident_kib() - memory;
    state.counters["descriptor_growth"] = descriptors() - open;
    state.counters["zombies"] = zombies();
    state.counters["runs"] = static_cast<double>(count);
    if (descriptors() != open || zombies() != 0) throw std::runtime_error("something was left behind");
  } catch (const std::exception& error) {
    note_failure(true);
    state.SkipWithError(error.what());
  }
}

} // namespace

void ask(const settings& how) {
  benchmark::RegisterBenchmark("soak/100000/coproc",
                               [how](benchmark::State& state) { soak(state, how.smoke); })
      ->Iterations(how.smoke ? 40 : 100'000)
      ->Repetitions(1)
      ->UseRealTime()
      ->Unit(benchmark::kMicrosecond);
}

} // namespace bench
