// Question: how long does it take to run a program and have what it wrote?
// Unit: microseconds a program.
// Varies: the program (see start_bench.cpp), how many are in flight.
// Fixed: stdout captured (it is empty), stdin and stderr inherited, the status checked.
// Limit: raw_asio, which reads one pipe to its end and then waits for the pidfd.

#include "support/boost_process.hpp"
#include "support/config.hpp"
#include "support/contest.hpp"
#include "support/lanes.hpp"
#include "support/peer.hpp"
#include "support/raw.hpp"

#include <coproc/run.hpp>

#include <stdexcept>

namespace bench {

namespace {

asio::awaitable<void> one(const workload& work) {
  coproc::command program(work.program);
  program.in(coproc::stdio::inherit()).err(coproc::stdio::inherit());
  const auto result = co_await coproc::run(std::move(program));
  if (!result.status.success()) throw std::runtime_error("the program failed");
}

outcome coproc_run(const workload& work) { return run_lanes(work, one); }

} // namespace

void ask(const settings& how) {
  std::vector<contestant> all{{"coproc", coproc_run, {}},
                              {"raw_asio", raw::capture_asio, {}},
                              {"boost_process_v2", boost_process::capture, {}}};
  std::vector<contestant> many = all;
  for (auto& peer : peers("capture")) {
    all.push_back(peer);
    if (peer.name != "python_subprocess") many.push_back(peer); // subprocess.run blocks
  }
  for (const auto& [name, program] :
       {std::pair{"tiny", config::tiny}, std::pair{"true", std::string("/bin/true")}})
    for (std::int64_t in_flight : {1, 8}) {
      const auto count = how.smoke ? in_flight : 2 * in_flight + 14;
      compete(std::string("capture/") + name + "/in_flight:" + std::to_string(in_flight),
              in_flight == 1 ? all : many, {"capture", program, count, in_flight}, {}, unit::time_per_item);
    }
}

} // namespace bench
