// The life of a function process: started, joined, cancelled, killed, detached, moved.
#include <coproc/process.hpp>

#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/fault.hpp"
#include "support/host_state.hpp"
#include "support/method_test.hpp"
#include "support/pending.hpp"
#include "support/process_info.hpp"
#include "worker/targets.hpp"

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace coproc::test;
using namespace coproc::test::process_targets;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(worker_lifetime)

using coproc::process;
using coproc::start_method;
using coproc::stdio;
using coproc::target;

METHOD_TEST_ONCE(before_the_start_there_is_nothing_to_ask) {
  process p{by(method), target<nothing>};
  BOOST_TEST(!p.is_alive());
  BOOST_TEST(!p.status());
  BOOST_TEST(!p.exitcode());
  BOOST_CHECK_THROW(p.pid(), std::logic_error);
  BOOST_CHECK_THROW(p.terminate(), std::logic_error);
  BOOST_CHECK_THROW(p.kill(), std::logic_error);
  BOOST_CHECK_THROW(p.detach(), std::logic_error);
  BOOST_CHECK_THROW(p.out(), std::logic_error);
  co_await thrown_by<std::logic_error>([&] { return p.join(); });
  co_await thrown_by<std::logic_error>([&] { return p.join(1s); });
  co_await thrown_by<std::logic_error>([&] { return p.result(); });
}

METHOD_TEST_ONCE(second_start_is_an_error) {
  process p{by(method), target<nothing>};
  auto first = co_await beside(p.start());
  co_await thrown_by<std::logic_error>([&] { return p.start(); });
  co_await first.result();
  co_await thrown_by<std::logic_error>([&] { return p.start(); });
  co_await p.join();
  co_await thrown_by<std::logic_error>([&] { return p.start(); });
}

METHOD_TEST(join_with_a_limit_says_whether_it_ended) {
  process p{by(method).in(stdio::pipe()).out(stdio::pipe()), target<end_with_input>};
  co_await p.start();
  co_await p.out().read_line();
  bool ended = co_await p.join(0s);
  BOOST_TEST(!ended);
  ended = co_await p.join(5ms);
  BOOST_TEST(!ended);
  BOOST_TEST(p.is_alive());
  BOOST_TEST(!p.status());
  BOOST_TEST(!p.exitcode());
  p.in().close();
  ended = co_await p.join(1h);
  BOOST_TEST(ended);
  BOOST_TEST(!p.is_alive());
  BOOST_TEST(p.exitcode().value() == 0);
  ended = co_await p.join(0s);
  BOOST_TEST(ended);
}

METHOD_TEST_ONCE(terminate_and_kill_are_told_apart) {
  process p{by(method).out(stdio::pipe()), target<pause_for_ever>};
  co_await p.start();
  co_await p.out().read_line();
  p.terminate();
  co_await p.join();
  BOOST_TEST(p.exitcode().value() == -SIGTERM);
  p.terminate(); // harmless
  p.kill();
  process q{by(method), target<pause_for_ever>};
  co_await q.start();
  q.kill();
  co_await q.join();
  BOOST_TEST(q.exitcode().value() == -SIGKILL);
}

METHOD_TEST_ONCE(end_is_seen_without_a_wait) {
  process p{by(method), target<nothing>};
  co_await p.start();
  while (p.is_alive()) co_await breathe();
  BOOST_TEST(p.exitcode().value() == 0);
  co_await p.result();
}

int own_id() { return ::getpid(); }

METHOD_TEST_ONCE(id_is_that_of_the_child_also_after_its_end) {
  process p{by(method), target<own_id>};
  co_await p.start();
  const int pid = p.pid();
  BOOST_TEST(pid > 0);
  int own = co_await p.result();
  BOOST_TEST(own == pid);
  BOOST_TEST(p.pid() == pid);
}

METHOD_TEST(cancelled_join_leaves_the_child) {
  process p{by(method).in(stdio::pipe()), target<end_with_input>};
  co_await p.start();
  auto join = co_await beside(p.join());
  auto result = co_await beside(p.result());
  co_await breathe();
  join.cancel();
  result.cancel();
  bool aborted = co_await join.aborted();
  BOOST_TEST(aborted);
  aborted = co_await result.aborted();
  BOOST_TEST(aborted);
  BOOST_TEST(p.is_alive());
  p.in().close();
  int back = co_await p.result();
  BOOST_TEST(back == 7);
}

METHOD_TEST_ONCE(destructor_kills) {
  int pid = 0;
  {
    process p{by(method).out(stdio::pipe()), target<pause_for_ever>};
    co_await p.start();
    co_await p.out().read_line();
    pid = p.pid();
  }
  co_await end_of(pid);
}

/// Says the id of a child of its own, in its group, and waits for ever.
void pause_with_a_child() {
  const int child = ::fork();
  if (child == 0)
    for (;;) ::pause();
  say((std::to_string(child) + "\n").c_str());
  for (;;) ::pause();
}

METHOD_TEST_ONCE(destructor_kills_the_group) {
  for (int i = 0; i != 5; ++i) {
    int grandchild = 0;
    {
      process p{by(method).out(stdio::pipe()), target<pause_with_a_child>};
      co_await p.start();
      auto line = co_await p.out().read_line();
      grandchild = std::stoi(line.value());
    }
    killed_at_end cleanup(grandchild);
    co_await end_of(grandchild);
  }
}

/// @returns the grandchild of a process whose handle is destroyed with its loop, or after it.
int grandchild_of_one_that_goes(start_method method, bool with_its_loop) {
  int grandchild = 0;
  std::optional<process<void>> kept;
  asio::io_context loop;
  auto body = [&]() -> asio::awaitable<void> {
    process p{by(method).out(stdio::pipe()), target<pause_with_a_child>};
    co_await p.start();
    auto line = co_await p.out().read_line();
    grandchild = std::stoi(line.value());
    loop.stop();
    if (with_its_loop)
      co_await p.join();
    else
      kept.emplace(std::move(p));
  };
  asio::co_spawn(loop, body(), asio::detached);
  loop.run();
  return grandchild;
}

METHOD_TEST_ONCE(destructor_kills_the_group_where_the_loop_has_ended) {
  // As before Linux 6.9, where no group is signalled by a pidfd.
  fault refused(coproc::os::call::pidfd_send_signal, EINVAL);
  for (bool with_its_loop : {true, false}) {
    const int grandchild = grandchild_of_one_that_goes(method, with_its_loop);
    killed_at_end cleanup(grandchild);
    co_await end_of(grandchild);
  }
}

METHOD_TEST_ONCE(destructor_completes_those_that_wait) {
  std::optional<process<void>> p;
  p.emplace(by(method), target<pause_for_ever>);
  co_await p->start();
  auto join = co_await beside(p->join());
  auto result = co_await beside(p->result());
  co_await breathe();
  p.reset();
  bool aborted = co_await join.aborted();
  BOOST_TEST(aborted);
  aborted = co_await result.aborted();
  BOOST_TEST(aborted);
}

METHOD_TEST_ONCE(destructor_completes_a_start) {
  {
    process<void> warm_up(by(method), target<nothing>);
    co_await warm_up.start();
    co_await warm_up.join();
  }
  std::optional<process<void>> p;
  p.emplace(by(method), target<pause_for_ever>);
  auto never_begun = p->start();
  p.reset();
  auto at_once = co_await beside(std::move(never_begun));
  bool aborted = co_await at_once.aborted();
  BOOST_TEST(aborted);
  if (method == start_method::fork) co_return; // it does not wait
  p.emplace(by(method), target<pause_for_ever>);
  auto start = co_await beside(p->start());
  if (p->is_alive()) co_return; // it is through: a busy machine
  p.reset();
  aborted = co_await start.aborted();
  BOOST_TEST(aborted);
}

/// A program that takes for ever before it comes to main(), and says its id first: what a host with this
/// variable starts is held up here.
const bool held_up = [] {
  if (const char* fifo = std::getenv("COPROC_TEST_HELD_UP")) {
    const std::string id = std::to_string(::getpid()) + '\n';
    const int fd = ::open(fifo, O_WRONLY);
    if (::write(fd, id.data(), id.size()) < 0) ::_exit(123);
    for (;;) ::pause();
  }
  return false;
}();

METHOD_TEST_ONCE(destructor_completes_a_start_that_gets_no_answer) {
  if (method == start_method::fork) co_return; // it does not wait
  scratch_directory scratch;
  const std::string fifo = scratch.path() / "fifo";
  BOOST_REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  open_descriptor said(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  host_variable variable("COPROC_TEST_HELD_UP", fifo.c_str());
  std::optional<process<void>> p;
  p.emplace(by(method), target<nothing>);
  auto start = co_await beside(p->start());
  char id[16] = {};
  while (::read(said.get(), id, sizeof id) <= 0) co_await breathe();
  const int pid = std::stoi(id); // of the child, or of the fork server
  killed_at_end cleanup(pid);
  BOOST_TEST(!start.done());
  p.reset();
  bool aborted = co_await start.aborted();
  BOOST_TEST(aborted);
  if (method == start_method::spawn) co_await end_of(pid);
}

METHOD_TEST_ONCE(detached_child_outlives_its_handle) {
  int pid = 0;
  {
    process p{by(method).out(stdio::pipe()), target<pause_for_ever>};
    co_await p.start();
    co_await p.out().read_line();
    auto join = co_await beside(p.join());
    co_await breathe();
    p.detach();
    p.detach(); // once is enough
    bool aborted = co_await join.aborted();
    BOOST_TEST(aborted);
    pid = p.pid();
    co_await thrown_by<std::logic_error>([&] { return p.join(); });
    co_await thrown_by<std::logic_error>([&] { return p.result(); });
  }
  killed_at_end cleanup(pid);
  for (int i = 0; i != 20; ++i) co_await breathe();
  BOOST_TEST(alive(pid));
  ::kill(pid, SIGKILL);
  co_await end_of(pid);
}

/// What daemons do.
void close_all_and_leave_a_mark(const std::string& path) {
  sigset_t sign;
  ::sigemptyset(&sign);
  ::sigaddset(&sign, SIGUSR1);
  ::sigprocmask(SIG_BLOCK, &sign, nullptr);
  say("ready\n");
  int number;
  ::sigwait(&sign, &number);
  for (int fd = 3; fd != 1024; ++fd) ::close(fd);
  ::close(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

METHOD_TEST_ONCE(detached_child_may_close_all_its_descriptors) {
  scratch_directory scratch;
  const auto mark = scratch.path() / "mark";
  process p{by(method).out(stdio::pipe()), target<close_all_and_leave_a_mark>, mark.string()};
  co_await p.start();
  co_await p.out().read_line();
  const int pid = p.pid();
  killed_at_end cleanup(pid);
  p.detach();
  ::kill(pid, SIGUSR1);
  co_await end_of(pid);
  BOOST_TEST(std::filesystem::exists(mark));
}

METHOD_TEST_ONCE(move_keeps_the_child_and_those_that_wait) {
  process p{by(method).in(stdio::pipe()), target<end_with_input>};
  co_await p.start();
  auto result = co_await beside(p.result());
  co_await breathe();
  process q = std::move(p);
  BOOST_CHECK_THROW(p.pid(), std::logic_error);
  BOOST_TEST(q.is_alive());
  q.in().close();
  int back = co_await result.result();
  BOOST_TEST(back == 7);
  process other{by(method).out(stdio::pipe()), target<end_with_input>};
  co_await other.start();
  const int pid = other.pid();
  other = std::move(q); // kills what was there
  co_await end_of(pid);
  back = co_await other.result();
  BOOST_TEST(back == 7);
}

CO_TEST_ONCE(unstarted_object_costs_nothing) {
  process p{target<add>, 1, "b"};
  process q = std::move(p);
  auto never = q.start();
  co_return;
}

BOOST_AUTO_TEST_SUITE_END()
