#include <coproc/exit_status.hpp>

#include <boost/test/unit_test.hpp>

#include <stdexcept>

#include <signal.h>

BOOST_AUTO_TEST_SUITE(exit_status)

using coproc::exit_status;

BOOST_AUTO_TEST_CASE(zero_is_success) {
  auto status = exit_status::exited(0);
  BOOST_TEST(status.success());
  BOOST_TEST((status.code() == 0));
  BOOST_TEST(!status.signal());
  BOOST_TEST(!status.core_dumped());
  BOOST_TEST(status.known());
  BOOST_TEST(status.returncode() == 0);
}

BOOST_AUTO_TEST_CASE(code_is_kept) {
  for (int code : {1, 3, 127, 128, 255}) {
    auto status = exit_status::exited(code);
    BOOST_TEST(!status.success());
    BOOST_TEST((status.code() == code));
    BOOST_TEST(!status.signal());
    BOOST_TEST(status.returncode() == code);
    BOOST_TEST(status.to_string() == "exited with code " + std::to_string(code));
  }
}

BOOST_AUTO_TEST_CASE(signal_is_no_code) {
  auto status = exit_status::signaled(SIGKILL);
  BOOST_TEST(!status.success());
  BOOST_TEST(!status.code());
  BOOST_TEST((status.signal() == SIGKILL));
  BOOST_TEST(!status.core_dumped());
  BOOST_TEST(status.known());
  BOOST_TEST(status.returncode() == -SIGKILL);
  BOOST_TEST(status.to_string() == "killed by SIGKILL");
}

BOOST_AUTO_TEST_CASE(core_is_named) {
  auto status = exit_status::signaled(SIGSEGV, true);
  BOOST_TEST(status.core_dumped());
  BOOST_TEST(status.to_string() == "killed by SIGSEGV (core dumped)");
}

BOOST_AUTO_TEST_CASE(every_signal_has_a_text) {
  for (int number = 1; number <= SIGRTMAX; ++number)
    BOOST_TEST(exit_status::signaled(number).to_string().size() > sizeof "killed by " - 1,
               "signal " << number);
  BOOST_TEST(exit_status::signaled(SIGTERM).to_string() == "killed by SIGTERM");
  BOOST_TEST(exit_status::signaled(SIGPIPE).to_string() == "killed by SIGPIPE");
}

BOOST_AUTO_TEST_CASE(unknown_is_no_success) {
  auto status = exit_status::unknown();
  BOOST_TEST(!status.known());
  BOOST_TEST(!status.success());
  BOOST_TEST(!status.code());
  BOOST_TEST(!status.signal());
  BOOST_TEST(!status.core_dumped());
  BOOST_TEST(status.returncode() == 255);
  BOOST_TEST(status.to_string() == "ended with an unknown status");
}

BOOST_AUTO_TEST_CASE(empty_status_answers_nothing_but_equality) {
  exit_status empty;
  BOOST_CHECK_THROW((void)empty.success(), std::logic_error);
  BOOST_CHECK_THROW((void)empty.code(), std::logic_error);
  BOOST_CHECK_THROW((void)empty.signal(), std::logic_error);
  BOOST_CHECK_THROW((void)empty.core_dumped(), std::logic_error);
  BOOST_CHECK_THROW((void)empty.known(), std::logic_error);
  BOOST_CHECK_THROW((void)empty.returncode(), std::logic_error);
  BOOST_CHECK_THROW((void)empty.to_string(), std::logic_error);
  BOOST_TEST((empty == exit_status()));
  BOOST_TEST((empty != exit_status::exited(0)));
}

BOOST_AUTO_TEST_CASE(equality_tells_kinds_apart) {
  BOOST_TEST((exit_status::exited(3) == exit_status::exited(3)));
  BOOST_TEST((exit_status::exited(3) != exit_status::exited(4)));
  BOOST_TEST((exit_status::exited(9) != exit_status::signaled(9)));
  BOOST_TEST((exit_status::signaled(11) != exit_status::signaled(11, true)));
  BOOST_TEST((exit_status::unknown() != exit_status::exited(255)));
}

BOOST_AUTO_TEST_SUITE_END()
