// Question: for how long does the loop not turn while it starts a program?
// Unit: microseconds; the longest time between two turns from the start of a program to its status: the
// median over
//   32 programs (8 in the large host), and the 99th percentile as a counter.
// Varies: the program (see start_bench.cpp), and the memory of the host (a fork copies its page tables).
// Fixed: one program at a time, beside a handler that posts itself for ever.
// Limit: raw_asio, whose start holds the thread until the exec, and raw_idle, where nothing is started at
// all.

#include "support/boost_process.hpp"
#include "support/config.hpp"
#include "support/contest.hpp"
#include "support/peer.hpp"
#include "support/raw.hpp"
#include "support/stall_asio.hpp"

#include <coproc/spawn.hpp>

namespace bench {

namespace {

asio::awaitable<void> one(const workload& work) {
  coproc::command program(work.program);
  auto child = co_await coproc::spawn(std::move(program));
  co_await child.wait();
}

outcome coproc_stall(const workload& work) { return run_stall(work, one); }

} // namespace

void ask(const settings& how) {
  std::vector<contestant> all{{"coproc", coproc_stall, {}},
                              {"raw_asio", raw::stall_asio, {}},
                              {"raw_idle", raw::stall_idle, {}},
                              {"boost_process_v2", boost_process::stall, {}}};
  for (auto& peer : peers("stall")) all.push_back(std::move(peer));
  const std::int64_t count = how.smoke ? 2 : 32;
  for (const auto& [name, program] :
       {std::pair{"tiny", config::tiny}, std::pair{"true", std::string("/bin/true")}}) {
    const std::string title = std::string("stall/") + name;
    compete(title, all, {"stall", program, count, 1}, {}, unit::time_per_item);
    if (how.big_host)
      compete(title + "/host:2GB", all, {"stall", program, 8, 1}, {2048, 0}, unit::time_per_item);
  }
}

} // namespace bench
