// Hosts that do their own thing with SIGCHLD, and hosts that die.
#include <coproc/child.hpp>
#include <coproc/error.hpp>

#include <coproc/run.hpp>
#include <coproc/spawn.hpp>

#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/fault.hpp"
#include "support/helper.hpp"
#include "support/host_state.hpp"
#include "support/pending.hpp"
#include "support/process_info.hpp"

#include <cerrno>
#include <chrono>
#include <string>

#include <signal.h>
#include <sys/wait.h>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(host)

using coproc::command;
using coproc::stdio;
using os_call = coproc::os::call;

command piped(command c) { return std::move(c).in(stdio::pipe()).out(stdio::pipe()); }

/// The end is seen, and the status is either right or honestly unknown.
asio::awaitable<void> check_end_is_seen() {
  auto result = co_await coproc::run(helper("out=text", "exit=3"));
  BOOST_TEST(result.out == "text");
  BOOST_TEST(!result.status.success());
  if (result.status.known())
    BOOST_TEST(result.status.code().value() == 3);
  else
    BOOST_TEST(result.status.returncode() == 255);

  auto c = co_await coproc::spawn(piped(helper("say=ready", "eof")));
  auto waiter = co_await beside(c.wait());
  co_await c.out().read_line();
  co_await breathe();
  BOOST_TEST(!waiter.done());
  c.in().close();
  co_await waiter.result();
  BOOST_TEST(c.poll().has_value());
  c.terminate(); // harmless
  auto stopped = co_await coproc::spawn(piped(helper("pause")));
  co_await stopped.stop();
}

CO_TEST(that_ignores_sigchld) {
  disposition ignored(SIGCHLD, SIG_IGN);
  co_await check_end_is_seen();
  auto result = co_await coproc::run(helper("exit=3"));
  BOOST_TEST(!result.status.known());
  BOOST_TEST(result.status.to_string() == "ended with an unknown status");
}

CO_TEST(that_wants_no_zombies) {
  disposition no_zombies(
      SIGCHLD, [](int) {}, SA_NOCLDWAIT);
  co_await check_end_is_seen();
}

CO_TEST(that_ignores_sigchld_on_a_system_without_pidfd) {
  disposition ignored(SIGCHLD, SIG_IGN);
  fault no_clone3(os_call::clone3, ENOSYS);
  fault no_pidfd(os_call::pidfd_open, ENOSYS);
  co_await check_end_is_seen();
}

void reap_all(int) {
  const int before = errno;
  while (::waitpid(-1, nullptr, WNOHANG) > 0) {
  }
  errno = before;
}

CO_TEST(that_reaps_everything) {
  disposition greedy(SIGCHLD, reap_all, SA_RESTART);
  co_await check_end_is_seen();
}

CO_TEST(that_reaps_everything_without_restart_and_without_pidfd) {
  disposition greedy(SIGCHLD, reap_all);
  fault no_clone3(os_call::clone3, ENOSYS);
  fault no_pidfd(os_call::pidfd_open, ENOSYS);
  co_await check_end_is_seen();
}

CO_TEST(unknown_status_is_no_success_for_check) {
  disposition ignored(SIGCHLD, SIG_IGN);
  auto c = helper("exit=0").check();
  bool thrown = false;
  try {
    co_await coproc::run(std::move(c));
  } catch (const coproc::error&) {
    thrown = true;
  }
  BOOST_TEST(thrown);
}

CO_TEST_ONCE(children_of_the_host_itself_are_left_alone) {
  const pid_t own = ::fork();
  if (own == 0) ::_exit(33);
  for (int i = 0; i != 5; ++i) co_await coproc::run(helper("exit=0"));
  { auto dropped = co_await coproc::spawn(helper("pause")); }
  co_await breathe();
  int status = 0;
  BOOST_TEST(::waitpid(own, &status, 0) == own);
  BOOST_TEST(WEXITSTATUS(status) == 33);
}

CO_TEST_ONCE(dispositions_are_untouched_by_the_library) {
  struct sigaction before[NSIG];
  for (int number = 1; number < NSIG; ++number) ::sigaction(number, nullptr, &before[number]);
  auto c = co_await coproc::spawn(piped(helper("close=0", "say=ready", "pause")));
  co_await c.out().read_line();
  co_await thrown_by<std::system_error>(c.in().write("x"));
  co_await c.stop();
  for (int number = 1; number < NSIG; ++number) {
    struct sigaction now {};
    if (::sigaction(number, nullptr, &now) != 0) continue;
    BOOST_TEST((now.sa_handler == before[number].sa_handler), "signal " << number);
    BOOST_TEST(now.sa_flags == before[number].sa_flags, "signal " << number);
  }
}

CO_TEST_ONCE(that_is_killed_leaves_nobody_behind) {
  for (int i = 0; i != 5; ++i) {
    auto c = command(host_path(), "die-with-children").in(stdio::null()).out(stdio::pipe());
    c.process_group(coproc::group_mode::inherit); // so that nothing but the death signal can do it
    auto host = co_await coproc::spawn(std::move(c));
    auto first = co_await host.out().read_line();
    auto second = co_await host.out().read_line();
    BOOST_TEST(alive(std::stoi(first.value())));
    BOOST_TEST(alive(std::stoi(second.value())));
    host.kill();
    co_await host.wait();
    co_await end_of(std::stoi(first.value()));
    co_await end_of(std::stoi(second.value()));
  }
}

BOOST_AUTO_TEST_SUITE_END()
