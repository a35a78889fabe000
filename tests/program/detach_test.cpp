// child::detach(): what lives on, and who reaps it.
#include <coproc/child.hpp>

#include <coproc/spawn.hpp>

#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/helper.hpp"
#include "support/leak_check.hpp"
#include "support/loops.hpp"
#include "support/pending.hpp"
#include "support/process_info.hpp"

#include <asio/io_context.hpp>

#include <chrono>
#include <optional>
#include <string>

#include <signal.h>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(detach)

using coproc::command;
using coproc::stdio;

command piped(command c) { return std::move(c).in(stdio::pipe()).out(stdio::pipe()); }

/// A detached child is nobody's work: what reaps it is the next operation of the library, whichever that is.
asio::awaitable<void> check_reaped_by_next_operation(int pid) {
  co_await end_of(pid);
  co_await thrown_by<std::system_error>(coproc::spawn(command("/no/such/program")));
  BOOST_TEST(process_state_of(pid) == '-');
}

CO_TEST(detached_child_lives_on) {
  int pid = 0;
  {
    auto c = co_await coproc::spawn(piped(helper("ignore=13", "say=ready", "eof", "pause")));
    co_await c.out().read_line();
    pid = c.pid();
    c.detach();
  }
  killed_at_end cleanup(pid);
  co_await breathe();
  BOOST_TEST(alive(pid));
  ::kill(pid, SIGKILL);
  co_await check_reaped_by_next_operation(pid);
}

CO_TEST(detach_closes_the_pipes) {
  auto c = co_await coproc::spawn(piped(helper("eof")));
  const int pid = c.pid();
  killed_at_end cleanup(pid);
  c.detach();
  co_await end_of(pid);
}

CO_TEST(after_detach_only_what_it_was_is_told) {
  auto c = co_await coproc::spawn(helper("pause").in(stdio::pipe()));
  const int pid = c.pid();
  killed_at_end cleanup(pid);
  auto waiter = co_await beside(c.wait());
  co_await breathe();
  c.detach();
  bool aborted = co_await waiter.aborted();
  BOOST_TEST(aborted);
  BOOST_TEST(c.pid() == pid);
  CHECK_CONTAINS(c.command().to_string(), "pause");
  BOOST_TEST(!c.usage());
  BOOST_CHECK_THROW(c.in(), std::logic_error);
  BOOST_CHECK_THROW(c.poll(), std::logic_error);
  BOOST_CHECK_THROW(c.terminate(), std::logic_error);
  co_await thrown_by<std::logic_error>([&] { return c.wait(); });
  co_await thrown_by<std::logic_error>([&] { return c.wait(1s); });
  co_await thrown_by<std::logic_error>([&] { return c.communicate(); });
  co_await thrown_by<std::logic_error>([&] { return c.stop(); });
}

CO_TEST(detach_of_the_dead_leaves_nothing) {
  auto c = co_await coproc::spawn(helper("exit=0"));
  const int pid = c.pid();
  co_await end_of(pid);
  c.detach();
  co_await check_reaped_by_next_operation(pid);
}

BOOST_AUTO_TEST_CASE(detached_child_outlives_its_loop_and_is_reaped_later) {
  leak_check nothing_left;
  int pid = 0;
  {
    std::optional<coproc::child> c;
    asio::io_context loop;
    run_on(loop, start_into(c, piped(helper("ignore=1", "eof", "pause"))));
    pid = c->pid();
    c->detach();
  }
  BOOST_TEST(alive(pid));
  ::kill(pid, SIGKILL);
}

BOOST_AUTO_TEST_SUITE_END()
