// Question: how long does it take to run an empty function in a child process and to see it end?
// Unit: microseconds a process, from start to exit status, divided by those in flight.
// Varies: the start method, how many are in flight, how much memory the host holds.
// Fixed: no arguments, stdin from /dev/null, stdout and stderr inherited, a fork server that runs already.
// Limit: raw_fork_server, a server forked from the same program before anything else was done: one request,
// the
//   child's id and its status come back, all by blocking system calls. raw_fork and raw_reexec for fork and
//   spawn.

#include "support/contest.hpp"
#include "support/kept_loop.hpp"
#include "support/peer.hpp"
#include "support/raw_function.hpp"

#include <coproc/process.hpp>

#include <stdexcept>

namespace bench {

namespace {

void nothing() {}

template <coproc::start_method Method>
asio::awaitable<void> one(const workload&) {
  coproc::process p{coproc::process_options().method(Method), coproc::target<nothing>};
  co_await p.start();
  co_await p.join();
  if (p.exitcode() != 0) throw std::runtime_error("the child failed");
}

template <coproc::start_method Method>
outcome run(const workload& work) {
  return run_lanes_on_kept_loop(work, one<Method>);
}

} // namespace

void ask(const settings& how) {
  raw::start_fork_server(); // while the process is small
  using coproc::start_method;
  std::vector<contestant> lanes{{"coproc_forkserver", run<start_method::forkserver>, {}},
                                {"coproc_spawn", run<start_method::spawn>, {}},
                                {"coproc_fork", run<start_method::fork>, {}}};
  for (const char* method : {"forkserver", "spawn", "fork"})
    for (auto& peer : peers(std::string("function_") + method)) {
      peer.name = std::string("python_") + method;
      // Another question than the others': the peer is told it by the name of the program.
      peer.run = [ask = peer.run, method](workload work) {
        work.question = std::string("function_") + method;
        return ask(work);
      };
      peer.divisor = std::string(method) == "fork" ? 1 : 8;
      lanes.push_back(std::move(peer));
    }
  std::vector<contestant> all = lanes;
  all.push_back({"raw_fork_server", raw::ask_fork_server, {}});
  all.push_back({"raw_fork", raw::fork_and_wait, {}});
  all.push_back({"raw_reexec", raw::reexec_and_wait, {}});

  compete("function/in_flight:1", all, {"function", "-", how.smoke ? 1 : 16, 1}, {}, unit::time_per_item);
  compete("function/in_flight:64", lanes, {"function", "-", how.smoke ? 2 : 128, how.smoke ? 2 : 64}, {},
          unit::time_per_item);
  if (how.big_host)
    compete("function/in_flight:1/host:2GB", all, {"function", "-", 8, 1}, {2048, 0}, unit::time_per_item);
}

} // namespace bench
