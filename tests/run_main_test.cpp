// run_main() is a whole main(): support/host.cpp has it, and is run here.
#include <coproc/run_main.hpp>

#include <coproc/run.hpp>
#include <coproc/spawn.hpp>

#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/helper.hpp"
#include "support/process_info.hpp"

#include <chrono>
#include <string>

#include <signal.h>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(run_main)

using coproc::command;
using coproc::exit_status;
using coproc::stdio;

template <class... Args>
asio::awaitable<coproc::completed> host(Args... args) {
  co_return co_await coproc::run(command(host_path(), std::move(args)...));
}

/// A host that has said "ready".
asio::awaitable<coproc::child> ready_host(std::string what) {
  auto c = command(host_path(), std::move(what)).in(stdio::null()).out(stdio::pipe()).err(stdio::pipe());
  auto started = co_await coproc::spawn(std::move(c));
  auto line = co_await started.out().read_line();
  BOOST_TEST(line.value() == "ready");
  co_return started;
}

CO_TEST_ONCE(code_is_what_amain_returns) {
  for (const char* code : {"0", "1", "42"}) {
    auto result = co_await host("return", code);
    BOOST_TEST(result.status.code().value() == std::stoi(code));
  }
}

CO_TEST_ONCE(ends_with_amain_whatever_else_is_on_the_loop) {
  auto result = co_await host("leave-work");
  BOOST_TEST(result.status.code().value() == 9);
}

CO_TEST_ONCE(every_form_of_amain_works) {
  auto result = co_await host("amain-void");
  BOOST_TEST(result.status.code().value() == 0);
  result = co_await host("amain-void", "throw");
  BOOST_TEST(result.status.code().value() == 1);
  result = co_await host("amain-no-arguments");
  BOOST_TEST(result.status.code().value() == 7);
  result = co_await host("amain-nothing");
  BOOST_TEST(result.status.code().value() == 0);
  result = co_await host("amain-lambda", "x");
  BOOST_TEST(result.status.code().value() == 3);
}

CO_TEST_ONCE(arguments_include_the_programs_name) {
  auto result = co_await host("arguments", "two words", "");
  BOOST_TEST(result.out == host_path() + "\narguments\ntwo words\n\n");
}

CO_TEST_ONCE(exception_is_printed_and_gives_1) {
  auto result = co_await host("throw");
  BOOST_TEST(result.status.code().value() == 1);
  CHECK_CONTAINS(result.err, "the reason");
  result = co_await host("throw-int");
  BOOST_TEST(result.status.code().value() == 1);
  BOOST_TEST(!result.err.empty());
}

CO_TEST_ONCE(signal_cancels_and_gives_128_and_its_number) {
  for (int number : {SIGINT, SIGTERM}) {
    auto c = co_await ready_host("wait");
    c.send_signal(number);
    auto result = co_await c.communicate();
    BOOST_TEST((result.status == exit_status::exited(128 + number)), result.status.to_string());
    BOOST_TEST(result.err.empty(), result.err);
  }
}

CO_TEST_ONCE(signal_stops_children_in_good_order) {
  auto c = co_await ready_host("run");
  c.terminate(); // the host alone; its child has a group of its own
  auto result = co_await c.communicate();
  BOOST_TEST(result.out == "signal 15\n", "the child was asked to stop, and waited for");
  BOOST_TEST((result.status == exit_status::exited(128 + SIGTERM)));
}

CO_TEST_ONCE(second_signal_kills) {
  auto c = co_await ready_host("linger");
  c.terminate();
  auto line = co_await c.out().read_line();
  BOOST_TEST(line.value() == "cancelled");
  BOOST_TEST(!c.poll());
  c.terminate();
  auto status = co_await c.wait();
  BOOST_TEST((status == exit_status::signaled(SIGTERM)));
}

CO_TEST_ONCE(code_of_one_that_catches_its_cancellation_counts) {
  auto c = co_await ready_host("return-when-cancelled");
  c.terminate();
  auto result = co_await c.communicate();
  BOOST_TEST((result.status == exit_status::exited(3)), result.status.to_string());
}

CO_TEST_ONCE(failure_while_being_cancelled_is_a_failure) {
  auto c = co_await ready_host("fail-when-cancelled");
  c.interrupt();
  auto result = co_await c.communicate();
  BOOST_TEST((result.status == exit_status::exited(1)));
  CHECK_CONTAINS(result.err, "could not clean up");
}

BOOST_AUTO_TEST_SUITE_END()
