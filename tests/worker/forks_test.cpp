// Forks of the host, which have copies of all that it has: its signal handlers, its children, its pools.
#include <coproc/process.hpp>

#include <coproc/command.hpp>
#include <coproc/pool.hpp>

#include "pool/targets.hpp"
#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/method_test.hpp"
#include "support/pending.hpp"
#include "worker/targets.hpp"

#include <asio/signal_set.hpp>
#include <asio/use_awaitable.hpp>

#include <optional>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace coproc::test;
using namespace coproc::test::process_targets;

BOOST_AUTO_TEST_SUITE(worker_forks)

using coproc::fork_target;
using coproc::process;
using coproc::stdio;
using coproc::target;

CO_TEST_ONCE(signal_to_a_child_that_has_just_begun_is_not_the_hosts) {
  asio::signal_set own(co_await this_executor(), SIGTERM);
  auto signalled = co_await beside(own.async_wait(asio::use_awaitable));
  for (int i = 0; i != 20; ++i) {
    process p{fork_target, [] {
                for (;;) ::pause();
              }};
    co_await p.start();
    p.terminate();
    co_await p.join();
    BOOST_TEST(p.exitcode().value() == -SIGTERM);
  }
  BOOST_TEST(!signalled.done());
  own.cancel();
  bool aborted = co_await signalled.aborted();
  BOOST_TEST(aborted);
}

METHOD_TEST_ONCE(copy_of_a_process_in_a_fork_leaves_it_alone) {
  std::optional<process<int>> sibling;
  sibling.emplace(by(method).in(stdio::pipe()), target<end_with_input>);
  co_await sibling->start();
  process p{fork_target, [&sibling] { sibling.reset(); }}; // as exit() does to one that is static
  co_await p.start();
  co_await p.result();
  BOOST_TEST(sibling->is_alive());
  sibling->in().close();
  int code = co_await sibling->result();
  BOOST_TEST(code == 7);
}

METHOD_TEST_ONCE(copy_of_a_pool_in_a_fork_leaves_it_alone) {
  std::optional<coproc::pool> workers;
  workers.emplace(co_await this_executor(), coproc::pool_options().size(3).method(method));
  auto program = co_await beside(workers->run(coproc::command("sleep", "0.3")));
  auto running = workers->apply_async<pool_targets::sleep_ms>(300);
  co_await workers->apply<pool_targets::square>(3);
  process p{fork_target, [&workers] { workers.reset(); }};
  co_await p.start();
  co_await p.result();
  co_await running.get();
  coproc::completed slept = co_await program.result();
  BOOST_TEST(slept.status.success(), slept.status.to_string());
  int nine = co_await workers->apply<pool_targets::square>(3);
  BOOST_TEST(nine == 9);
  BOOST_TEST(workers->stats().restarted == 0u);
}

// A fork that the library has not made, and whose copies nobody closes.
CO_TEST_ONCE(plain_fork_leaves_the_fork_server_alone) {
  std::optional<process<int>> sibling;
  sibling.emplace(by(coproc::start_method::forkserver).in(stdio::pipe()), target<end_with_input>);
  co_await sibling->start();
  const pid_t fork = ::fork();
  if (fork == 0) {
    sibling.reset();
    ::_exit(0);
  }
  ::waitpid(fork, nullptr, 0);
  BOOST_TEST(sibling->is_alive());
  sibling->in().close();
  int code = co_await sibling->result();
  BOOST_TEST(code == 7);
}

BOOST_AUTO_TEST_SUITE_END()
