// The fork server: when it is there, what becomes of its children when it is not, and what it keeps alive.
#include <coproc/process.hpp>

#include <coproc/make_pipe.hpp>
#include <coproc/this_process.hpp>

#include "support/build.hpp"
#include "support/comes_true.hpp"
#include "support/expect.hpp"
#include "support/fault.hpp"
#include "support/leak_check.hpp"
#include "support/loops.hpp"
#include "support/method_test.hpp"
#include "support/pending.hpp"
#include "support/process_info.hpp"

#include <asio/co_spawn.hpp>
#include <asio/execution/outstanding_work.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/require.hpp>
#include <asio/strand.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
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

/// @returns the ids of this process's fork servers.
std::vector<int> servers() {
  std::vector<int> result;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream children(task.path() / "children");
    for (int child; children >> child;) {
      std::ifstream file("/proc/" + std::to_string(child) + "/comm");
      std::string name;
      std::getline(file, name);
      if (name == "coproc-forks" && alive(child)) result.push_back(child);
    }
  }
  return result;
}

int parent_of_child() { return ::getppid(); }
int group_of_child() { return ::getpgrp(); }
int add(int a, int b) { return a + b; }

void say(const std::string& text) {
  if (::write(1, text.data(), text.size()) < 0) ::_exit(123);
}

/// Ends when its stdin does.
int end_with_input() {
  say("ready\n");
  char c;
  while (::read(0, &c, 1) > 0) {
  }
  return 7;
}

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

/// A server that does nothing, so that what it is asked for is under way.
class stopped_server {
public:
  stopped_server() : pid_(servers().at(0)) { ::kill(pid_, SIGSTOP); }
  stopped_server(const stopped_server&) = delete;
  ~stopped_server() { go_on(); }
  void go_on() { ::kill(pid_, SIGCONT); }
  void kill() { ::kill(pid_, SIGKILL); }

private:
  int pid_;
};

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
  if (child != 0) say(std::to_string(child) + "\n");
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

CO_TEST_ONCE(fork_does_not_hold_the_ends_of_a_child_that_is_being_started) {
  co_await warm_up();
  stopped_server server;
  process writer(process_options().out(stdio::pipe()), target<say>, std::string("hello"));
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

BOOST_AUTO_TEST_SUITE_END()
