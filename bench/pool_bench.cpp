// Question: what does a task of a pool of two workers cost?
// Unit: microseconds a task (or item).
// Varies: call: one after another, so this is latency; with all on one CPU, too. bulk: all begun at once.
//   map: integers. sleep, burn: tasks that take 10 ms, or 10 ms of CPU time; divided by their number, so
//   with two workers 5,000 is the least. argument: 1 MB, one after another. respawn: from a task that ends
//   its worker to the result of the next one, by a new worker.
// Fixed: two workers, which run already; tasks do nothing but what is said.
// Limit: call: raw_asio, 64 bytes to a child and back, one end in standalone Asio. bulk: raw_pool, two
//   children behind socket pairs, 64 calls under way with each, as many as there are in one write. burn:
//   raw_burn, two forked children with half of it each. respawn: raw_fork, fork and wait.
// Peers: Python's two pools; in Node a plain pool of threads, one of processes, and piscina if Node finds it
//   (npm install piscina somewhere, and NODE_PATH=somewhere/node_modules). Node's threads share a process:
//   none of them survives a crash of another. None of Python's pools starts a worker in the place of a dead
//   one.

#include "support/contest.hpp"
#include "support/kept_loop.hpp"
#include "support/peer.hpp"
#include "support/raw_function.hpp"
#include "support/raw_pool.hpp"

#include <coproc/pool.hpp>

#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <signal.h>
#include <unistd.h>

namespace bench {

namespace {

void nothing() {}
std::int64_t increment(std::int64_t x) { return x + 1; }
void sleep_for(std::int64_t milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}
std::size_t length(const std::string& text) { return text.size(); }
void burn(std::int64_t milliseconds) { raw::burn_for(milliseconds); }
void die() { ::kill(::getpid(), SIGKILL); }

coproc::pool& workers() {
  static coproc::pool pool(kept_loop().get_executor(), 2);
  return pool;
}

asio::awaitable<void> call(const workload& work) {
  for (std::int64_t n = 0; n < work.count; ++n) co_await workers().apply<nothing>();
}

asio::awaitable<void> bulk(const workload& work) {
  std::vector<coproc::async_result<void>> tasks;
  tasks.reserve(static_cast<std::size_t>(work.count));
  for (std::int64_t n = 0; n < work.count; ++n) tasks.push_back(workers().apply_async<nothing>());
  for (auto& task : tasks) co_await task.get();
}

asio::awaitable<void> map(const workload& work) {
  const std::vector<std::int64_t> numbers(static_cast<std::size_t>(work.count), 1);
  auto more = co_await workers().map<increment>(numbers);
  if (more.size() != numbers.size() || more.back() != 2) throw std::runtime_error("not all came");
}

template <auto Task>
asio::awaitable<void> ten_milliseconds(const workload& work) {
  std::vector<coproc::async_result<void>> tasks;
  for (std::int64_t n = 0; n < work.count; ++n) tasks.push_back(workers().apply_async<Task>(work.width));
  for (auto& task : tasks) co_await task.get();
}

asio::awaitable<void> argument(const workload& work) {
  const std::string text(static_cast<std::size_t>(work.width), 'x');
  for (std::int64_t n = 0; n < work.count; ++n) {
    const std::size_t size = co_await workers().apply<length>(text);
    if (size != text.size()) throw std::runtime_error("not all came");
  }
}

asio::awaitable<void> respawn(const workload& work) {
  static coproc::pool one(kept_loop().get_executor(), 1);
  for (std::int64_t n = 0; n < work.count; ++n) {
    try {
      co_await one.apply<die>();
    } catch (const coproc::worker_died&) {
    }
    co_await one.apply<nothing>();
  }
}

/// A pool of somebody else's: the prefix of its questions, and its name here.
struct other {
  const char* prefix;
  const char* name;
};
constexpr other others[] = {{"pool", "python_pool"},
                            {"executor", "python_executor"},
                            {"threads", "node_threads"},
                            {"processes", "node_processes"},
                            {"piscina", "node_piscina"}};

/// Our own run, and the peers'.
std::vector<contestant> against(const std::string& question, asio::awaitable<void> (*own)(const workload&),
                                std::int64_t divisor) {
  std::vector<contestant> all;
  all.push_back({"coproc", [own](const workload& work) { return run_alone_on_kept_loop(work, own); }, {}});
  for (const other& kind : others) {
    const std::string asked = std::string(kind.prefix) + "_" + question;
    for (contestant peer : peers(asked)) {
      peer.name = kind.name;
      peer.run = [ask = peer.run, asked](workload work) {
        work.question = asked;
        return ask(work);
      };
      peer.divisor = divisor;
      all.push_back(std::move(peer));
    }
  }
  return all;
}

} // namespace

void ask(const settings& how) {
  const auto size = [&](std::int64_t full, std::int64_t smoke) { return how.smoke ? smoke : full; };

  auto calls = against("call", call, 4);
  calls.push_back({"raw_asio", raw::echo_asio, {}});
  const workload one_call{"pool", "-", size(2'000, 2), 64};
  compete("pool/call", calls, one_call, {}, unit::time_per_item);
  compete("pool/call/cpus:1", calls, one_call, {.one_cpu = true}, unit::time_per_item);

  auto bulks = against("bulk", bulk, 20);
  bulks.push_back({"raw_pool", raw::call_in_bulk, {}});
  compete("pool/bulk:100000", bulks, {"pool", "-", size(100'000, 100), 64}, {}, unit::time_per_item);

  compete("pool/map:1000000", against("map", map, 1), {"pool", "-", size(1'000'000, 100), 1}, {},
          unit::time_per_item);
  compete("pool/sleep:10ms", against("sleep", ten_milliseconds<sleep_for>, 1),
          {"pool", "-", size(200, 2), size(10, 1)}, {}, unit::time_per_item);

  std::vector<contestant> burners = against("burn", ten_milliseconds<burn>, 1);
  burners.push_back({"raw_burn", raw::burn, {}});
  compete("pool/burn:10ms", burners, {"pool", "-", size(100, 2), size(10, 1)}, {}, unit::time_per_item);

  compete("pool/argument:1MB", against("argument", argument, 1), {"pool", "-", size(100, 1), 1 << 20}, {},
          unit::time_per_item);

  auto deaths = against("respawn", respawn, size(5, 1));
  deaths.push_back({"raw_fork", raw::fork_and_wait, {}});
  compete("pool/respawn", deaths, {"pool", "-", size(50, 1), 1}, {}, unit::time_per_item);
}

} // namespace bench
