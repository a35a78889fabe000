// Question: how long does it take to start a program and see it end?
// Unit: microseconds a program, from start to status, divided by those in flight.
// Varies: the program (a static one of a few instructions; /bin/true, most of whose time is its loader's),
// how many
//   are in flight, what the host holds: memory, descriptors.
// Fixed: all three streams inherited, no arguments, the status checked.
// Limit: raw_asio (clone with CLONE_VM | CLONE_VFORK | CLONE_PIDFD, pidfd in standalone Asio, waitid), and
//   raw_blocking, the same without a loop.

#include "support/boost_process.hpp"
#include "support/config.hpp"
#include "support/contest.hpp"
#include "support/lanes.hpp"
#include "support/peer.hpp"
#include "support/raw.hpp"

#include <coproc/spawn.hpp>

#include <stdexcept>

namespace bench {

namespace {

asio::awaitable<void> one(const workload& work) {
  coproc::command program(work.program);
  auto child = co_await coproc::spawn(std::move(program));
  const auto status = co_await child.wait();
  if (!status.success()) throw std::runtime_error("the program failed");
}

outcome coproc_start(const workload& work) { return run_lanes(work, one); }

struct scenario {
  const char* name;
  std::string program;
  std::int64_t in_flight;
  host where;
};

} // namespace

void ask(const settings& how) {
  std::vector<contestant> all{{"coproc", coproc_start, {}},
                              {"raw_asio", raw::start_asio, {}},
                              {"boost_process_v2", boost_process::start, {}}};
  for (auto& peer : peers("start")) all.push_back(std::move(peer));
  auto one_at_a_time = all;
  one_at_a_time.push_back({"raw_blocking", raw::start_blocking, {}});

  std::vector<scenario> scenarios;
  for (const auto& [name, program] :
       {std::pair{"tiny", config::tiny}, std::pair{"true", std::string("/bin/true")}}) {
    for (std::int64_t in_flight : {1, 8, 64}) scenarios.push_back({name, program, in_flight, {}});
    scenarios.push_back({name, program, 1, {0, 1000}});
    if (how.big_host) scenarios.push_back({name, program, 1, {2048, 0}});
  }
  for (const auto& s : scenarios) {
    std::string title = std::string("start/") + s.name + "/in_flight:" + std::to_string(s.in_flight);
    if (s.where.descriptors != 0) title += "/descriptors:1000";
    if (s.where.resident_mib != 0) title += "/host:2GB";
    const auto count = how.smoke                   ? s.in_flight
                       : s.where.resident_mib != 0 ? 8
                       : s.in_flight == 1          ? 16
                                                   : 2 * s.in_flight + 16;
    compete(title, s.in_flight == 1 ? one_at_a_time : all, {"start", s.program, count, s.in_flight}, s.where,
            unit::time_per_item);
  }
}

} // namespace bench
