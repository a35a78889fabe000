// Requests whose bytes cross as a descriptor, to a fork server that has no room for what comes with them.
#include <coproc/process.hpp>

#include "support/comes_true.hpp"
#include "support/expect.hpp"
#include "support/host_state.hpp"
#include "support/pending.hpp"
#include "support/process_info.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <sys/resource.h>
#include <unistd.h>

using namespace coproc::test;

BOOST_AUTO_TEST_SUITE(fork_server_descriptors)

using coproc::process;
using coproc::target;

constexpr const char* name = "COPROC_TEST_LARGE";
const std::string large(100'000, 'l');

int parent_of_child() { return ::getppid(); }
std::size_t size_of_variable() {
  const char* value = std::getenv(name);
  return value ? std::string(value).size() : 0;
}

/// Limits the descriptors of another process.
class limited_server {
public:
  limited_server(int pid, int descriptors) : pid_(pid) {
    BOOST_REQUIRE(::prlimit(pid_, RLIMIT_NOFILE, nullptr, &before_) == 0);
    rlimit few = before_;
    few.rlim_cur = static_cast<rlim_t>(descriptors);
    BOOST_REQUIRE(::prlimit(pid_, RLIMIT_NOFILE, &few, nullptr) == 0);
  }
  limited_server(const limited_server&) = delete;
  ~limited_server() { ::prlimit(pid_, RLIMIT_NOFILE, &before_, nullptr); }

private:
  int pid_;
  rlimit before_{};
};

asio::awaitable<int> server_of_this_loop() {
  process<int> p{target<parent_of_child>};
  co_await p.start();
  const int pid = co_await p.result();
  co_return pid;
}

/// @returns how often it has waited for something.
long waits_of(int pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  const std::string label = "voluntary_ctxt_switches:";
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(label)) return std::stol(line.substr(label.size()));
  return 0;
}

CO_TEST_ONCE(request_that_a_server_has_no_descriptor_for_waits) {
  const int server = co_await server_of_this_loop();
  host_variable variable(name, large.c_str());
  process p{target<size_of_variable>};
  std::optional<limited_server> none(std::in_place, server, 3);
  auto start = co_await beside(p.start());
  const long before = waits_of(server);
  const bool still_there = co_await comes_true([&] { return waits_of(server) > before + 3; });
  BOOST_TEST(still_there);
  BOOST_TEST(!start.done());
  none.reset();
  co_await start.result();
  const std::size_t size = co_await p.result();
  BOOST_TEST(size == large.size());
  const int same = co_await server_of_this_loop();
  BOOST_TEST(same == server);
}

CO_TEST_ONCE(request_whose_bytes_alone_fit_is_refused_and_its_surroundings_hold) {
  const int server = co_await server_of_this_loop();
  int next_free = 3;
  while (std::filesystem::exists("/proc/" + std::to_string(server) + "/fd/" + std::to_string(next_free)))
    ++next_free;
  host_variable variable(name, large.c_str());
  process p{target<size_of_variable>};
  {
    limited_server one(server, next_free + 1);
    auto error = co_await thrown_by<std::system_error>(p.start());
    BOOST_TEST((error.code() == std::errc::too_many_files_open));
  }
  co_await p.start();
  const std::size_t size = co_await p.result();
  BOOST_TEST(size == large.size());
  const int same = co_await server_of_this_loop();
  BOOST_TEST(same == server);
}

BOOST_AUTO_TEST_SUITE_END()
