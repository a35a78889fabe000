// Programs with a pool, and what becomes of the workers when they end: support/function_host.cpp has them.
#include <coproc/pool.hpp>

#include <coproc/spawn.hpp>

#include "pool/targets.hpp"
#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/helper.hpp"
#include "support/method_test.hpp"
#include "support/process_info.hpp"

#include <list>
#include <map>
#include <string>

#include <signal.h>

using namespace coproc::test;

BOOST_AUTO_TEST_SUITE(pool_host)

namespace t = coproc::test::pool_targets;
using coproc::command;
using coproc::exit_status;
using coproc::start_method;
using coproc::stdio;

namespace {

constexpr std::size_t named_workers = 5; // idle, pausing, spinning, nesting, and pausing in the nested pool

struct holder {
  coproc::child program;
  std::multimap<std::string, int> workers;
  std::list<killed_at_end> cleanup;
};

/// A host with a pool, all of whose workers have said their ids.
asio::awaitable<holder> busy_host(start_method method, bool queue) {
  auto c = command(function_host_path(), "pool", std::to_string(static_cast<int>(method)));
  if (queue) c.arg("queue");
  c.in(stdio::null()).out(stdio::pipe()).err(stdio::pipe()).process_group(coproc::group_mode::own);
  holder made;
  made.program = co_await coproc::spawn(c);
  // With a queue the idle one goes on to pause.
  while (made.workers.size() != named_workers + (queue ? 1 : 0)) {
    auto line = co_await made.program.out().read_line();
    const auto words = split(line.value() + " ", ' ');
    const int pid = std::stoi(words.at(1));
    made.workers.emplace(words.at(0), pid);
    made.cleanup.emplace_back(pid);
  }
  co_return made;
}

bool skipped(start_method method) { return method == start_method::fork && sanitized; }

} // namespace

METHOD_TEST_ONCE(a_killed_host_leaves_no_worker) {
  if (skipped(method)) co_return;
  auto host = co_await busy_host(method, false);
  for (auto [name, pid] : host.workers) BOOST_TEST(alive(pid), name);
  const int stopped = host.workers.find("pausing")->second;
  ::kill(stopped, SIGSTOP);
  co_await until_state(stopped, 'T');
  host.program.kill();
  co_await host.program.wait();
  for (auto [name, pid] : host.workers) co_await end_of(pid);
}

METHOD_TEST_ONCE(ctrl_c_ends_a_program_with_130_and_nothing_is_said_or_left) {
  if (skipped(method)) co_return;
  for (int number : {SIGINT, SIGTERM}) {
    auto host = co_await busy_host(method, true);
    ::kill(-host.program.pid(), number); // to its whole group, as a terminal does
    auto result = co_await host.program.communicate();
    BOOST_TEST((result.status == exit_status::exited(128 + number)), result.status.to_string());
    BOOST_TEST(result.err == "");
    BOOST_TEST(result.out == ""); // no other task was started
    for (auto [name, pid] : host.workers) co_await end_of(pid);
  }
}

BOOST_AUTO_TEST_SUITE_END()
