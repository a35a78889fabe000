#include <coproc/error.hpp>

#include <coproc/called_process_error.hpp>
#include <coproc/output_limit.hpp>
#include <coproc/timeout_expired.hpp>

#include "support/expect.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>

#include <signal.h>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(exceptions)

using coproc::exit_status;

BOOST_AUTO_TEST_CASE(all_derive_from_error) {
  BOOST_TEST((std::is_base_of_v<std::runtime_error, coproc::error>));
  BOOST_TEST((std::is_base_of_v<coproc::error, coproc::called_process_error>));
  BOOST_TEST((std::is_base_of_v<coproc::error, coproc::timeout_expired>));
  BOOST_TEST((std::is_base_of_v<coproc::error, coproc::output_limit>));
}

BOOST_AUTO_TEST_CASE(called_process_error_names_command_status_and_ends_with_stderr) {
  coproc::called_process_error e("make -j2", exit_status::exited(2), "built\n", "no rule\nto make it\n");
  BOOST_TEST(e.command == "make -j2");
  BOOST_TEST((e.status == exit_status::exited(2)));
  BOOST_TEST(e.out == "built\n");
  BOOST_TEST(e.err == "no rule\nto make it\n");
  const std::string what = e.what();
  CHECK_CONTAINS(what, "make -j2");
  CHECK_CONTAINS(what, "exited with code 2");
  CHECK_CONTAINS(what, "no rule\nto make it");
  BOOST_TEST(!contains(what, "built"));
}

BOOST_AUTO_TEST_CASE(timeout_expired_names_command_time_and_ends_with_stderr) {
  coproc::timeout_expired e("sleep 9", 1500ms, exit_status::signaled(SIGTERM), "o", "last words");
  BOOST_TEST(e.command == "sleep 9");
  BOOST_TEST((e.timeout == 1500ms));
  BOOST_TEST((e.status == exit_status::signaled(SIGTERM)));
  BOOST_TEST(e.out == "o");
  BOOST_TEST(e.err == "last words");
  const std::string what = e.what();
  CHECK_CONTAINS(what, "sleep 9");
  CHECK_CONTAINS(what, "1.5");
  BOOST_TEST(what.ends_with("last words"));
}

BOOST_AUTO_TEST_CASE(output_limit_names_command_and_limit) {
  coproc::output_limit e("yes", 4096, exit_status::signaled(SIGTERM), std::string(4096, 'y'), "");
  BOOST_TEST(e.command == "yes");
  BOOST_TEST(e.limit == 4096u);
  BOOST_TEST(e.out.size() == 4096u);
  BOOST_TEST(e.err.empty());
  CHECK_CONTAINS(std::string(e.what()), "yes");
  CHECK_CONTAINS(std::string(e.what()), "4096");
}

BOOST_AUTO_TEST_CASE(what_keeps_only_the_tail_of_a_long_stderr) {
  std::string err(1 << 20, 'x');
  err += "the last line";
  coproc::called_process_error e("prog", exit_status::exited(1), "", err);
  const std::string what = e.what();
  BOOST_TEST(what.size() < 10'000u);
  BOOST_TEST(what.ends_with("the last line"));
  BOOST_TEST(e.err.size() == err.size());
}

BOOST_AUTO_TEST_CASE(empty_stderr_leaves_no_trailing_separator) {
  coproc::called_process_error e("prog", exit_status::exited(1), "", "");
  BOOST_TEST(std::string(e.what()).ends_with("exited with code 1"));
}

BOOST_AUTO_TEST_SUITE_END()
