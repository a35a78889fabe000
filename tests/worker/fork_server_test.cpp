// The fork server: when it is there, what becomes of its children when it is not, and what it keeps alive.
#include <coproc/process.hpp>

#include <coproc/make_pipe.hpp>
#include <coproc/this_process.hpp>

#include "support/build.hpp"
#include "support/expect.hpp"
#include "support/fork_servers.hpp"
#include "support/leak_check.hpp"
#include "support/loops.hpp"
#include "support/method_test.hpp"
#include "support/pending.hpp"
#include "support/process_info.hpp"
#include "worker/targets.hpp"

#include <asio/co_spawn.hpp>
#include <asio/execution/outstanding_work.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/require.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <cstdlib>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(fork_server)

using coproc::exit_status;
using coproc::process;
using coproc::process_options;
using coproc::stdio;
using coproc::target;
using process_targets::end_with_input;

int parent_of_child() { return ::getppid(); }
int group_of_child() { return ::getpgrp(); }
int add(int a, int b) { return a + b; }

process<int> waiting_child() {
  return process<int>(process_options().in(stdio::pipe()).out(stdio::pipe()), target<end_with_input>);
}

CO_TEST_ONCE(one_serves_all_starts_of_a_context) {
  BOOST_TEST(servers().empty());
  for (int i = 0; i != 3; ++i) {
    process p{target<parent_of_child>};
    co_await p.start();
    int server = co_await p.result();
    BOOST_REQUIRE(servers().size() == 1u);
    BOOST_TEST(server == servers().front());
  }
}

METHOD_TEST_ONCE(nobody_is_in_the_group_that_a_terminal_signals) {
  process p{by(method), target<group_of_child>};
  co_await p.start();
  int group = co_await p.result();
  BOOST_TEST(group == p.pid());
  for (int server : servers()) BOOST_TEST(::getpgid(server) == server);
}

CO_TEST(killed_server_is_replaced_and_its_children_go_on) {
  process<int> waited_for = waiting_child();
  process<int> other = waiting_child();
  co_await waited_for.start();
  co_await other.start();
  auto result = co_await beside(waited_for.result());
  co_await breathe();
  const int server = servers().at(0);
  ::kill(server, SIGKILL);
  co_await end_of(server);
  for (int i = 0; i != 3; ++i) co_await breathe();
  BOOST_TEST(!result.done());
  BOOST_TEST(other.is_alive());

  process next{target<add>, 1, 2};
  co_await next.start();
  int sum = co_await next.result();
  BOOST_TEST(sum == 3);
  BOOST_TEST(servers().at(0) != server);

  waited_for.in().close();
  int back = co_await result.result();
  BOOST_TEST(back == 7);
  BOOST_TEST(!waited_for.status()->known());
  other.in().close();
  back = co_await other.result();
  BOOST_TEST(back == 7);
}

CO_TEST_ONCE(children_of_a_killed_server_can_be_signalled) {
  process<int> first = waiting_child();
  process<int> second = waiting_child();
  co_await first.start();
  co_await second.start();
  co_await second.out().read_line();
  ::kill(servers().at(0), SIGKILL);
  if (built_with_pidfd()) { // otherwise nobody knows whether the id is still its own
    first.terminate();
    co_await thrown_by<coproc::process_died>(first.result());
  }
  const int pid = second.pid();
  { process<int> dropped = std::move(second); }
  co_await end_of(pid);
}

CO_TEST_ONCE(status_that_was_reported_outlives_the_server) {
  process p{target<add>, 1, 2};
  co_await p.start();
  while (alive(p.pid())) std::this_thread::sleep_for(1ms); // without the loop, which would look
  const int server = servers().at(0);
  std::this_thread::sleep_for(20ms); // for the report
  ::kill(server, SIGKILL);
  co_await end_of(server);
  process next{target<add>, 1, 2};
  co_await next.start();
  co_await p.join();
  BOOST_TEST((p.status() == exit_status::exited(0)));
}

asio::awaitable<void> warm_up() {
  process p{target<add>, 1, 2};
  co_await p.start();
  co_await p.join();
}

std::string variable_of_child(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value ? value : "unset";
}

CO_TEST_ONCE(children_do_not_see_what_the_server_was_started_with) {
  for (const char* name : {"LD_BIND_NOW", "HOME"}) {
    process p{target<variable_of_child>, std::string(name)};
    co_await p.start();
    const std::string seen = co_await p.result();
    BOOST_TEST(seen == variable_of_child(name));
  }
}

int bytes_and_ends(const std::string& bytes, coproc::connection<int> end) {
  end.blocking_send(static_cast<int>(bytes.size()));
  return static_cast<int>(bytes.size());
}

CO_TEST_ONCE(arguments_of_any_size_come_with_their_descriptors) {
  // What fits into the request goes by the server, what does not by the child's own channel, or by a segment.
  constexpr std::size_t sizes[] = {0, 1, 3'900, 4'000, 4'096, 5'000, 60'000, 70'000, 1'000'000};
  for (const std::size_t size : sizes) {
    auto ends = coproc::make_pipe<int>();
    process p{target<bytes_and_ends>, std::string(size, 'x'), std::move(ends.second)};
    co_await p.start();
    const int told = co_await ends.first.recv();
    const int result = co_await p.result();
    BOOST_TEST(told == static_cast<int>(size));
    BOOST_TEST(result == static_cast<int>(size));
  }
}

// Of the loop.

asio::awaitable<void> start_into(std::optional<process<int>>& p) {
  p.emplace(waiting_child());
  co_await p->start();
}

asio::awaitable<void> finish(process<int>& p, int& result) {
  p.in().close();
  result = co_await p.result();
}

BOOST_AUTO_TEST_CASE(idle_server_keeps_no_loop_running) {
  leak_check nothing_left;
  std::optional<process<int>> p;
  asio::io_context loop;
  auto error = run_on(loop, start_into(p));
  BOOST_TEST(!error);
  BOOST_TEST(loop.stopped());
  BOOST_TEST(servers().size() == 1u);
  BOOST_TEST(p->is_alive());
  int result = 0;
  error = run_on(loop, finish(*p, result));
  BOOST_TEST(!error);
  BOOST_TEST(loop.stopped());
  BOOST_TEST(result == 7);
}

asio::awaitable<void> start_and_look(process<int>& p, process<int>& looked_at) {
  co_await looked_at.start();
  auto start = co_await beside(p.start());
  for (int i = 0; i != 4; ++i) co_await asio::post(asio::use_awaitable);
  std::this_thread::sleep_for(50ms); // the server answers, the loop does not run
  BOOST_TEST(looked_at.is_alive());  // finds the answer
  co_await start.result();
}

BOOST_AUTO_TEST_CASE(answer_that_is_found_by_another_look_leaves_no_work) {
  leak_check nothing_left;
  process<int> looked_at = waiting_child();
  process<int> p = waiting_child();
  asio::io_context loop;
  asio::co_spawn(loop, start_and_look(p, looked_at), [](std::exception_ptr e) { BOOST_TEST(!e); });
  loop.run_for(5s);
  BOOST_TEST(loop.stopped());
}

BOOST_AUTO_TEST_CASE(executor_that_is_work_is_not_kept) {
  leak_check nothing_left;
  asio::io_context loop;
  std::exception_ptr error;
  {
    auto working = asio::require(loop.get_executor(), asio::execution::outstanding_work.tracked);
    asio::co_spawn(asio::any_io_executor(working), warm_up(), [&](std::exception_ptr e) { error = e; });
  }
  loop.run_for(deadline() / 4);
  BOOST_TEST(!error);
  BOOST_TEST(loop.stopped(), "nobody but the coroutine had that executor");
}

BOOST_AUTO_TEST_CASE(ends_with_its_context_and_leaves_its_children_to_their_handles) {
  leak_check nothing_left;
  std::optional<process<int>> p;
  {
    asio::io_context loop;
    run_on(loop, start_into(p));
    BOOST_TEST(servers().size() == 1u);
  }
  BOOST_TEST(p->is_alive());
  p.reset();
}

BOOST_AUTO_TEST_CASE(each_context_has_its_own) {
  leak_check nothing_left;
  std::optional<process<int>> first, second;
  asio::io_context a, b;
  run_on(a, start_into(first));
  run_on(b, start_into(second));
  BOOST_TEST(servers().size() == 2u);
  auto error = run_on(b, first->join());
  BOOST_REQUIRE(error);
  BOOST_CHECK_THROW(std::rethrow_exception(error), std::logic_error);
}

// What a child has.

std::vector<int> open_descriptors() {
  std::vector<int> result;
  for (int fd = 3; fd != 256; ++fd)
    if (::fcntl(fd, F_GETFD) >= 0) result.push_back(fd);
  return result;
}

METHOD_TEST_ONCE(child_has_no_descriptors_but_its_own) {
  if (method == coproc::start_method::fork) co_return; // has the host's
  process<int> sibling = waiting_child();
  co_await sibling.start();
  for (int i = 0; i != 2; ++i) {
    process p{by(method).out(stdio::pipe()), target<open_descriptors>};
    co_await p.start();
    auto descriptors = co_await p.result();
    BOOST_TEST(descriptors.size() == 2u, "its channel and its lifeline");
  }
}

METHOD_TEST_ONCE(fork_does_not_hold_the_ends_of_others) {
  process<int> reader(by(method).in(stdio::pipe()), target<end_with_input>);
  co_await reader.start();
  process<int> copy(by(coproc::start_method::fork).in(stdio::pipe()).out(stdio::pipe()),
                    target<end_with_input>);
  co_await copy.start();
  co_await copy.out().read_line();
  reader.in().close();
  int back = co_await reader.result();
  BOOST_TEST(back == 7);
  BOOST_TEST(copy.is_alive());
}

BOOST_AUTO_TEST_SUITE_END()
