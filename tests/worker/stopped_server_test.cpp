// A server that answers late, or never.
#include <coproc/process.hpp>

#include "support/comes_true.hpp"
#include "support/expect.hpp"
#include "support/fault.hpp"
#include "support/fork_servers.hpp"
#include "support/leak_check.hpp"
#include "support/loops.hpp"
#include "support/method_test.hpp"
#include "support/pending.hpp"
#include "support/process_info.hpp"
#include "worker/targets.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/strand.hpp>

#include <chrono>
#include <cstdlib>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <signal.h>
#include <unistd.h>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(fork_server_stopped)

using coproc::process;
using coproc::process_options;
using coproc::stdio;
using coproc::target;
using process_targets::end_with_input;
using process_targets::say;

int add(int a, int b) { return a + b; }

asio::awaitable<void> warm_up() {
  process p{target<add>, 1, 2};
  co_await p.start();
  co_await p.join();
}

CO_TEST_ONCE(start_is_repeated_if_the_server_dies_meanwhile) {
  co_await warm_up();
  stopped_server server;
  process p{target<add>, 1, 2};
  auto start = co_await beside(p.start());
  co_await breathe();
  BOOST_TEST(!start.done());
  server.kill();
  co_await start.result();
  int sum = co_await p.result();
  BOOST_TEST(sum == 3);
}

CO_TEST_ONCE(cancelled_start_leaves_no_process_and_can_be_repeated) {
  co_await warm_up();
  std::optional<stopped_server> server(std::in_place);
  process p{process_options().in(stdio::pipe()), target<end_with_input>};
  auto start = co_await beside(p.start());
  co_await breathe();
  start.cancel();
  bool aborted = co_await start.aborted();
  BOOST_TEST(aborted);
  BOOST_TEST(!p.is_alive());
  server.reset();
  co_await p.start();
  p.in().close();
  int back = co_await p.result();
  BOOST_TEST(back == 7);
}

CO_TEST_ONCE(starts_beyond_what_the_server_takes_wait_and_can_be_cancelled) {
  co_await warm_up();
  std::optional<stopped_server> server(std::in_place);
  std::vector<process<int>> all;
  std::vector<pending<void>> starts;
  for (int i = 0; i != 50; ++i) all.emplace_back(target<add>, i, 1);
  for (auto& p : all) {
    auto start = co_await beside(p.start());
    starts.push_back(std::move(start));
  }
  co_await breathe();
  for (const auto& start : starts) BOOST_TEST(!start.done());
  for (int i : {3, 40, 49}) {
    auto& start = starts[static_cast<std::size_t>(i)];
    start.cancel();
    bool aborted = co_await start.aborted();
    BOOST_TEST(aborted);
  }
  server.reset();
  for (int i = 0; i != 50; ++i) {
    if (i == 3 || i == 40 || i == 49) continue;
    co_await starts[static_cast<std::size_t>(i)].result();
    int sum = co_await all[static_cast<std::size_t>(i)].result();
    BOOST_TEST(sum == i + 1);
  }
}

/// Says the id of a child of its own, in its group. Both don't mind SIGTERM.
void stay_with_a_child() {
  ::signal(SIGTERM, SIG_IGN);
  const int child = ::fork();
  if (child != 0) say((std::to_string(child) + "\n").c_str());
  for (;;) ::pause();
}

CO_TEST_ONCE(signals_beyond_what_the_server_takes_at_once_reach_all) {
  // As with a kernel that knows no group by a pidfd: the server sends them.
  fault no_send_signal(coproc::os::call::pidfd_send_signal, ENOSYS);
  std::optional<process<void>> p(std::in_place, process_options().out(stdio::pipe()),
                                 target<stay_with_a_child>);
  co_await p->start();
  auto line = co_await p->out().read_line();
  const int pid = p->pid(), grandchild = std::stoi(line.value());
  killed_at_end cleanup(grandchild);
  stopped_server server;
  std::jthread rescue([&server] {
    std::this_thread::sleep_for(10ms);
    server.go_on();
  });
  for (int i = 0; i != 1'000; ++i) p->terminate();
  p.reset();
  co_await end_of(pid);
  co_await end_of(grandchild);
}

CO_TEST_ONCE(signals_to_a_server_that_stays_stopped_fail_and_then_work_again) {
  fault no_send_signal(coproc::os::call::pidfd_send_signal, ENOSYS);
  process p{process_options().out(stdio::pipe()), target<stay_with_a_child>};
  co_await p.start();
  auto line = co_await p.out().read_line();
  killed_at_end cleanup(std::stoi(line.value()));
  {
    stopped_server server;
    const auto sent_all = [&p] {
      for (int i = 0; i != 1'000; ++i) p.terminate();
    };
    CHECK_CONTAINS(message_of<std::system_error>(sent_all), "unavailable");
    // What is known to be stuck is not waited for again.
    for (int i = 0; i != 100; ++i) BOOST_CHECK_THROW(p.terminate(), std::system_error);
  }
  bool works = co_await comes_true([&p] {
    try {
      p.kill();
      return true;
    } catch (const std::system_error&) {
      return false;
    }
  });
  BOOST_TEST(works);
  co_await p.join();
  BOOST_TEST(p.exitcode().value() == -SIGKILL);
}

CO_TEST_ONCE(large_environments_wait_for_their_turn) {
  co_await warm_up();
  std::optional<stopped_server> server(std::in_place);
  std::vector<process<int>> all;
  std::vector<pending<void>> starts;
  for (int i = 0; i != 20; ++i) all.emplace_back(target<add>, i, 1);
  for (auto& p : all) {
    ::setenv("COPROC_TEST_LARGE", std::string(50'000, static_cast<char>('a' + starts.size())).c_str(), 1);
    auto start = co_await beside(p.start());
    starts.push_back(std::move(start));
    co_await breathe();
  }
  server.reset();
  for (std::size_t i = 0; i != all.size(); ++i) {
    co_await starts[i].result();
    int sum = co_await all[i].result();
    BOOST_TEST(sum == static_cast<int>(i) + 1);
  }
  ::unsetenv("COPROC_TEST_LARGE");
}

void say_hello() { say("hello"); }

CO_TEST_ONCE(fork_does_not_hold_the_ends_of_a_child_that_is_being_started) {
  co_await warm_up();
  stopped_server server;
  process writer(process_options().out(stdio::pipe()), target<say_hello>);
  auto start = co_await beside(writer.start());
  co_await breathe();
  BOOST_TEST(!start.done());
  process<int> copy(by(coproc::start_method::fork).in(stdio::pipe()).out(stdio::pipe()),
                    target<end_with_input>);
  co_await copy.start();
  co_await copy.out().read_line();
  server.go_on();
  co_await start.result();
  std::string said = co_await writer.out().read_all();
  BOOST_TEST(said == "hello");
  BOOST_TEST(copy.is_alive());
}

BOOST_AUTO_TEST_CASE(context_that_ends_with_starts_under_way_on_a_strand) {
  leak_check nothing_left;
  for (int i = 0; i != 3; ++i) {
    std::vector<process<int>> all;
    for (int j = 0; j != 40; ++j) all.emplace_back(target<add>, j, 1);
    asio::io_context loop;
    run_on(loop, warm_up()); // the library's services are older than the strands, and end later
    stopped_server server;
    for (auto& p : all) asio::co_spawn(asio::make_strand(loop), p.start(), [](std::exception_ptr) {});
    loop.restart();
    for (int k = 0; k != 20 * i; ++k) loop.poll_one();
  }
}

BOOST_AUTO_TEST_SUITE_END()
