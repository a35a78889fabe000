#include <coproc/child.hpp>

#include <coproc/run.hpp>
#include <coproc/spawn.hpp>

#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/helper.hpp"
#include "support/pending.hpp"
#include "support/process_info.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include <signal.h>
#include <sys/resource.h>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(child)

using coproc::command;
using coproc::exit_status;
using coproc::stdio;

/// A helper with a pipe to each of stdin and stdout.
command piped(command c) { return std::move(c).in(stdio::pipe()).out(stdio::pipe()); }

CO_TEST(exit_code_is_exact) {
  for (int code : {0, 1, 2, 42, 127, 128, 255}) {
    coproc::child c = co_await coproc::spawn(helper("exit=" + std::to_string(code)));
    auto status = co_await c.wait();
    BOOST_TEST((status == exit_status::exited(code)), status.to_string());
  }
}

CO_TEST(death_by_signal_is_told_from_an_exit) {
  for (int number : {SIGHUP, SIGINT, SIGKILL, SIGTERM, SIGUSR1, SIGALRM}) {
    coproc::child c = co_await coproc::spawn(helper("signal=" + std::to_string(number)));
    auto status = co_await c.wait();
    BOOST_TEST((status == exit_status::signaled(number)), status.to_string());
  }
}

CO_TEST(crashes_are_named) {
  coproc::child c = co_await coproc::spawn(helper("abort").limit(coproc::resource::core, 0, 0));
  auto status = co_await c.wait();
  BOOST_TEST((status.signal() == SIGABRT));
  c = co_await coproc::spawn(helper("overflow-stack").limit(coproc::resource::core, 0, 0));
  status = co_await c.wait();
  BOOST_TEST((status.signal() == SIGSEGV));
}

CO_TEST(wait_gives_the_same_status_again_and_again) {
  coproc::child c = co_await coproc::spawn(helper("exit=3"));
  for (int i = 0; i != 5; ++i) {
    auto status = co_await c.wait();
    BOOST_TEST((status == exit_status::exited(3)));
  }
  BOOST_TEST((c.poll() == exit_status::exited(3)));
  auto status = co_await c.wait(0s);
  BOOST_TEST((status == exit_status::exited(3)));
}

CO_TEST(any_number_of_coroutines_may_wait) {
  coproc::child c = co_await coproc::spawn(piped(helper("eof", "exit=3")));
  std::vector<pending<exit_status>> waiters;
  for (int i = 0; i != 10; ++i) waiters.push_back(co_await beside(c.wait()));
  co_await breathe();
  for (auto& waiter : waiters) BOOST_TEST(!waiter.done());
  c.in().close();
  for (auto& waiter : waiters) {
    auto status = co_await waiter.result();
    BOOST_TEST((status == exit_status::exited(3)));
  }
}

CO_TEST(wait_does_not_end_before_the_child) {
  coproc::child c = co_await coproc::spawn(piped(helper("say=ready", "eof")));
  auto waiter = co_await beside(c.wait());
  co_await c.out().read_line();
  co_await breathe();
  BOOST_TEST(!waiter.done());
  BOOST_TEST(!c.poll());
  c.in().close();
  auto status = co_await waiter.result();
  BOOST_TEST(status.success());
}

CO_TEST(wait_with_a_limit_gives_nothing_while_it_runs) {
  coproc::child c = co_await coproc::spawn(piped(helper("eof")));
  for (auto limit : {-1ms, 0ms, 1ms, 20ms}) {
    const auto start = std::chrono::steady_clock::now();
    auto status = co_await c.wait(limit);
    BOOST_TEST(!status);
    BOOST_TEST((std::chrono::steady_clock::now() - start >= limit));
  }
  c.in().close();
  auto status = co_await c.wait(deadline());
  BOOST_TEST((status == exit_status::exited(0)));
}

CO_TEST(poll_does_not_suspend) {
  coproc::child c = co_await coproc::spawn(piped(helper("say=ready", "eof", "exit=7")));
  BOOST_TEST(!c.poll());
  co_await c.out().read_line();
  BOOST_TEST(!c.poll());
  c.in().close();
  co_await c.wait();
  BOOST_TEST((c.poll() == exit_status::exited(7)));
}

CO_TEST_ONCE(poll_alone_sees_the_end_and_reaps) {
  coproc::child c = co_await coproc::spawn(helper("exit=7"));
  co_await end_of(c.pid()); // by a pidfd of the test's own
  std::optional<exit_status> status;
  const auto end = std::chrono::steady_clock::now() + deadline();
  while (!status && std::chrono::steady_clock::now() < end) status = c.poll();
  BOOST_TEST((status == exit_status::exited(7)));
  BOOST_TEST(process_state_of(c.pid()) == '-');
}

CO_TEST(pid_is_the_childs_and_stays_readable) {
  coproc::child c = co_await coproc::spawn(piped(helper("pid", "eof")));
  auto line = co_await c.out().read_line();
  BOOST_TEST(std::to_string(c.pid()) == line.value());
  const int pid = c.pid();
  c.in().close();
  co_await c.wait();
  BOOST_TEST(c.pid() == pid);
  BOOST_TEST(process_state_of(pid) == '-', "it is reaped");
}

CO_TEST(command_is_what_was_started) {
  auto what = helper("exit=0");
  coproc::child c = co_await coproc::spawn(what);
  BOOST_TEST(c.command().to_string() == what.to_string());
  co_await c.wait();
  BOOST_TEST(c.command().to_string() == what.to_string());
}

CO_TEST(stopped_is_not_exited) {
  coproc::child c = co_await coproc::spawn(piped(helper("stop", "say=continued", "eof")));
  auto waiter = co_await beside(c.wait());
  co_await until_state(c.pid(), 'T');
  co_await breathe();
  BOOST_TEST(!waiter.done());
  BOOST_TEST(!c.poll());
  c.send_signal(SIGCONT);
  auto line = co_await c.out().read_line();
  BOOST_TEST(line.value() == "continued");
  BOOST_TEST(!waiter.done());
  c.in().close();
  auto status = co_await waiter.result();
  BOOST_TEST(status.success());
}

CO_TEST(signals_reach_the_child) {
  struct {
    int number;
    void (*send)(coproc::child&);
  } const ways[] = {{SIGTERM, [](coproc::child& c) { c.terminate(); }},
                    {SIGINT, [](coproc::child& c) { c.interrupt(); }},
                    {SIGUSR1, [](coproc::child& c) { c.send_signal(SIGUSR1); }}};
  for (const auto& way : ways) {
    auto c =
        co_await coproc::spawn(piped(helper("report=" + std::to_string(way.number), "say=ready", "pause")));
    co_await c.out().read_line();
    way.send(c);
    auto line = co_await c.out().read_line();
    BOOST_TEST(line.value() == "signal " + std::to_string(way.number));
    auto status = co_await c.wait();
    BOOST_TEST((status == exit_status::exited(40 + way.number)));
  }
}

CO_TEST(kill_cannot_be_refused) {
  auto c = co_await coproc::spawn(piped(helper("ignore=15", "ignore=2", "say=ready", "pause")));
  co_await c.out().read_line();
  c.terminate();
  c.interrupt();
  c.kill();
  auto status = co_await c.wait();
  BOOST_TEST((status == exit_status::signaled(SIGKILL)));
}

CO_TEST(signals_to_the_dead_are_harmless) {
  coproc::child c = co_await coproc::spawn(helper("exit=0"));
  co_await end_of(c.pid());
  c.terminate(); // dead, perhaps not reaped
  co_await c.wait();
  c.terminate(); // reaped
  c.kill();
  c.interrupt();
  c.send_signal(SIGUSR1);
  BOOST_TEST((c.poll() == exit_status::exited(0)));
}

CO_TEST(signal_that_is_none_is_an_error) {
  coproc::child c = co_await coproc::spawn(piped(helper("eof")));
  for (int number : {-1, 65, 1000}) {
    try {
      c.send_signal(number);
      BOOST_ERROR("no exception");
    } catch (const std::system_error& e) {
      BOOST_TEST((e.code() == std::errc::invalid_argument));
      CHECK_CONTAINS(std::string(e.what()), std::to_string(number));
    }
  }
}

CO_TEST(signal_goes_to_the_child_alone) {
  auto c = co_await coproc::spawn(piped(helper("grandchild", "report=15", "say=ready", "pause")));
  auto grandchild = co_await c.out().read_line();
  const int pid = std::stoi(grandchild.value());
  killed_at_end cleanup(pid);
  co_await c.out().read_line();
  c.terminate();
  co_await c.wait();
  BOOST_TEST(alive(pid));
  ::kill(pid, SIGKILL);
  co_await end_of(pid);
}

/// A child that shares the host's memory until its exec counts that as its own, getrusage(2).
std::size_t hosts_max_rss() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::size_t>(usage.ru_maxrss) * 1024;
}

CO_TEST(usage_is_known_once_the_end_is_seen) {
  coproc::child c = co_await coproc::spawn(piped(helper("burn=30", "touch=20000000", "eof")));
  BOOST_TEST(!c.usage());
  c.in().close();
  co_await c.wait();
  auto usage = c.usage();
  BOOST_REQUIRE(usage.has_value());
  BOOST_TEST((usage->user + usage->system >= 28ms));
  BOOST_TEST((usage->user + usage->system < 5s));
  BOOST_TEST(usage->max_rss_bytes > 20'000'000u);
  BOOST_TEST(usage->max_rss_bytes < 200'000'000u + hosts_max_rss());
  BOOST_TEST(usage->minor_faults > 4000u);
}

CO_TEST(usage_is_each_childs_own) {
  coproc::child big = co_await coproc::spawn(helper("touch=60000000"));
  co_await big.wait();
  coproc::child small = co_await coproc::spawn(helper("exit=0"));
  co_await small.wait();
  BOOST_TEST(small.usage()->max_rss_bytes < 20'000'000u + hosts_max_rss());
}

CO_TEST(wait_is_not_kept_by_a_grandchild_that_holds_the_pipes) {
  auto c = co_await coproc::spawn(piped(helper("grandchild", "out=last words")));
  auto line = co_await c.out().read_line();
  const int grandchild = std::stoi(line.value());
  killed_at_end cleanup(grandchild);
  auto status = co_await c.wait();
  BOOST_TEST(status.success());
  auto rest = co_await beside(c.out().read_all());
  co_await breathe();
  BOOST_TEST(!rest.done(), "the end of the stream is another thing");
  ::kill(grandchild, SIGKILL);
  std::string text = co_await rest.result();
  BOOST_TEST(text == "last words");
  co_await end_of(grandchild);
}

CO_TEST(empty_handle_is_a_logic_error) {
  coproc::child empty;
  BOOST_CHECK_THROW(empty.pid(), std::logic_error);
  BOOST_CHECK_THROW(empty.command(), std::logic_error);
  BOOST_CHECK_THROW(empty.in(), std::logic_error);
  BOOST_CHECK_THROW(empty.out(), std::logic_error);
  BOOST_CHECK_THROW(empty.err(), std::logic_error);
  BOOST_CHECK_THROW(empty.poll(), std::logic_error);
  BOOST_CHECK_THROW(empty.send_signal(SIGTERM), std::logic_error);
  BOOST_CHECK_THROW(empty.terminate(), std::logic_error);
  BOOST_CHECK_THROW(empty.kill(), std::logic_error);
  BOOST_CHECK_THROW(empty.interrupt(), std::logic_error);
  BOOST_CHECK_THROW(empty.detach(), std::logic_error);
  BOOST_CHECK_THROW(empty.usage(), std::logic_error);
  co_await thrown_by<std::logic_error>([&] { return empty.wait(); });
  co_await thrown_by<std::logic_error>([&] { return empty.wait(1s); });
  co_await thrown_by<std::logic_error>([&] { return empty.stop(); });
  co_await thrown_by<std::logic_error>([&] { return empty.stop(coproc::stop_policy(1s)); });
  co_await thrown_by<std::logic_error>([&] { return empty.communicate(); });
  coproc::child c = co_await coproc::spawn(helper("exit=0"));
  coproc::child moved = std::move(c);
  BOOST_CHECK_THROW(c.pid(), std::logic_error);
  co_await moved.wait();
}

CO_TEST(moving_keeps_waiters_and_streams) {
  coproc::child first = co_await coproc::spawn(piped(helper("cat", "exit=3")));
  coproc::input_stream& in = first.in();
  coproc::output_stream& out = first.out();
  auto waiter = co_await beside(first.wait());
  auto line = co_await beside(out.read_line());
  co_await breathe();
  coproc::child second = std::move(first);
  BOOST_TEST(&second.in() == &in, "references stay valid");
  BOOST_TEST(&second.out() == &out);
  co_await in.write("text\n");
  auto text = co_await line.result();
  BOOST_TEST(text.value() == "text");
  coproc::child third;
  third = std::move(second);
  third.in().close();
  auto status = co_await waiter.result();
  BOOST_TEST((status == exit_status::exited(3)));
}

CO_TEST(stream_that_is_no_pipe_is_a_logic_error) {
  auto c = co_await coproc::spawn(helper("eof").in(stdio::pipe()).out(stdio::null()).err(stdio::merge()));
  BOOST_CHECK_NO_THROW(c.in());
  BOOST_CHECK_THROW(c.out(), std::logic_error);
  BOOST_CHECK_THROW(c.err(), std::logic_error);
}

BOOST_AUTO_TEST_SUITE_END()
