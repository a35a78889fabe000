#include <coproc/check_output.hpp>

#include <coproc/called_process_error.hpp>
#include <coproc/output_limit.hpp>
#include <coproc/timeout_expired.hpp>

#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/helper.hpp"
#include "support/host_state.hpp"

#include <chrono>
#include <string>
#include <system_error>

#include <fcntl.h>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(check_output)

using coproc::command;
using coproc::stdio;

CO_TEST(gives_stdout) {
  std::string out = co_await coproc::check_output(helper("out=the output\n"));
  BOOST_TEST(out == "the output\n");
}

CO_TEST(stdin_is_null_and_stderr_is_the_hosts) {
  scratch_directory scratch;
  auto err = open_descriptor(scratch.path() / "err", O_RDWR | O_CREAT);
  std::string out;
  {
    redirected two(2, err.get());
    out = co_await coproc::check_output(helper("link=/proc/self/fd/0", "err=seen by the host"));
  }
  BOOST_TEST(out == "/dev/null\n");
  BOOST_TEST(content_of(scratch.path() / "err") == "seen by the host");
}

CO_TEST(failure_is_an_exception_with_the_output) {
  auto c = helper("out=so far", "err=why", "exit=3").err(stdio::pipe());
  auto e = co_await thrown_by<coproc::called_process_error>(coproc::check_output(std::move(c)));
  BOOST_TEST((e.status.code() == 3));
  BOOST_TEST(e.out == "so far");
  BOOST_TEST(e.err == "why");
  e = co_await thrown_by<coproc::called_process_error>(coproc::check_output(helper("signal=9")));
  BOOST_TEST((e.status.signal() == 9));
}

CO_TEST(input_is_fed) {
  auto c = helper("cat").input("given");
  std::string out = co_await coproc::check_output(std::move(c));
  BOOST_TEST(out == "given");
}

CO_TEST(timeout_and_limit_come_first) {
  auto slow = helper("out=x", "pause").timeout(30ms);
  auto late = co_await thrown_by<coproc::timeout_expired>(coproc::check_output(std::move(slow)));
  BOOST_TEST(!late.status.success());
  auto loud = helper("flood=0").max_output(10);
  auto much = co_await thrown_by<coproc::output_limit>(coproc::check_output(std::move(loud)));
  BOOST_TEST(much.out == "abcdefghij");
}

CO_TEST(start_failure_comes_through) {
  auto e = co_await thrown_by<std::system_error>(coproc::check_output(command("/no/such/program")));
  BOOST_TEST((e.code() == std::errc::no_such_file_or_directory));
}

BOOST_AUTO_TEST_SUITE_END()
