#include "contest.hpp"
#include "peer.hpp"
#include "raw_function.hpp"

#include <asio/version.hpp>
#include <benchmark/benchmark.h>
#include <boost/version.hpp>
#include <coproc/init.hpp>

#include <cstring>
#include <fstream>
#include <string>
#include <sys/utsname.h>

namespace {

bool take(int& argc, char** argv, const char* flag) {
  for (int at = 1; at < argc; ++at) {
    if (std::strcmp(argv[at], flag) != 0) continue;
    for (int next = at; next + 1 <= argc; ++next) argv[next] = argv[next + 1];
    --argc;
    return true;
  }
  return false;
}

std::string cpu_model() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  return "unknown";
}

void describe_machine() {
  utsname system{};
  ::uname(&system);
  benchmark::AddCustomContext("cpu", cpu_model());
  benchmark::AddCustomContext("kernel",
                              std::string(system.sysname) + " " + system.release + " " + system.machine);
#if defined(__clang__)
  benchmark::AddCustomContext("compiler", "clang " __clang_version__);
#else
  benchmark::AddCustomContext("compiler", "g++ " __VERSION__);
#endif
  benchmark::AddCustomContext("asio", std::to_string(ASIO_VERSION / 100000) + "." +
                                          std::to_string(ASIO_VERSION / 100 % 1000) + "." +
                                          std::to_string(ASIO_VERSION % 100));
  benchmark::AddCustomContext("boost", std::to_string(BOOST_VERSION / 100000) + "." +
                                           std::to_string(BOOST_VERSION / 100 % 1000));
  for (const auto& [name, version] : bench::peer_versions())
    benchmark::AddCustomContext("peer_" + name, version);
}

} // namespace

int main(int argc, char** argv) {
  bench::raw::end_if_reexecuted(argc, argv);
  coproc::init(argc, argv);
  bench::settings how;
  how.smoke = take(argc, argv, "--smoke");
  how.big_host = !take(argc, argv, "--no_big_host") && !how.smoke;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  describe_machine();
  bench::ask(how);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return bench::any_failed() ? 1 : 0;
}
