// Function processes that end without a result.
#include <coproc/process.hpp>

#include "support/expect.hpp"
#include "support/method_test.hpp"

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include <signal.h>
#include <unistd.h>

using namespace coproc::test;

BOOST_AUTO_TEST_SUITE(worker_deaths)

using coproc::exit_status;
using coproc::process;
using coproc::stdio;
using coproc::target;

void exit_3() { std::exit(3); }
void quick_exit_4() { ::_exit(4); }
void abort_now() { std::abort(); }
void bad_access() { ::raise(SIGSEGV); }

asio::awaitable<exit_status> end_of_target(process<void> p) {
  co_await p.start();
  auto died = co_await thrown_by<coproc::process_died>(p.result());
  BOOST_TEST((p.status() == died.status));
  CHECK_CONTAINS(std::string(died.what()), p.name());
  auto again = co_await thrown_by<coproc::process_died>(p.result());
  BOOST_TEST((again.status == died.status));
  co_return died.status;
}

METHOD_TEST_ONCE(ends_without_a_result_are_told_apart) {
  auto status = co_await end_of_target(process<void>(by(method), target<exit_3>));
  BOOST_TEST((status == exit_status::exited(3)));
  status = co_await end_of_target(process<void>(by(method), target<quick_exit_4>));
  BOOST_TEST((status == exit_status::exited(4)));
  auto quiet = by(method).err(stdio::null());
  process<void> aborts(quiet, target<abort_now>);
  status = co_await end_of_target(std::move(aborts));
  BOOST_TEST(status.signal().value() == SIGABRT);
  process<void> crashes(quiet, target<bad_access>);
  status = co_await end_of_target(std::move(crashes));
  if (sanitized) // its handler ends the process in its own way
    BOOST_TEST(!status.success());
  else
    BOOST_TEST(status.signal().value() == SIGSEGV);
}

int thread_throws() {
  std::thread([] { throw std::runtime_error("nobody catches this"); }).join();
  return 0;
}

METHOD_TEST_ONCE(exception_in_a_thread_of_the_target_ends_it) {
  process<int> p(by(method).err(stdio::pipe()), target<thread_throws>);
  co_await p.start();
  auto died = co_await thrown_by<coproc::process_died>(p.result());
  BOOST_TEST(died.status.signal().value() == SIGABRT);
  const std::string said = co_await p.err().read_all();
  BOOST_TEST(said.find("nobody catches this") != said.npos, said);
}

int overflow(int n) {
  volatile char frame[4096];
  frame[0] = static_cast<char>(n);
  return n < 0 ? 0 : overflow(n / 2 + 1) + frame[0];
}

METHOD_TEST_ONCE(stack_overflow_is_a_death_of_the_child) {
  process p{by(method).err(stdio::null()), target<overflow>, 0};
  co_await p.start();
  auto died = co_await thrown_by<coproc::process_died>(p.result());
  if (!sanitized) BOOST_TEST(died.status.signal().value() == SIGSEGV);
}

BOOST_AUTO_TEST_SUITE_END()
