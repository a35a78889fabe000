#include <coproc/stop_policy.hpp>

#include "support/expect.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <stdexcept>

#include <signal.h>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(stop_policy)

using coproc::stop_policy;

BOOST_AUTO_TEST_CASE(default_is_sigterm_and_five_seconds) {
  stop_policy policy;
  BOOST_TEST(policy.signal() == SIGTERM);
  BOOST_TEST((policy.grace() == 5s));
}

BOOST_AUTO_TEST_CASE(grace_and_signal_are_kept) {
  stop_policy policy(250ms);
  BOOST_TEST(policy.signal() == SIGTERM);
  BOOST_TEST((policy.grace() == 250ms));
  policy.signal(SIGINT);
  BOOST_TEST(policy.signal() == SIGINT);
  BOOST_TEST(stop_policy(1s).signal(SIGQUIT).signal() == SIGQUIT);
  BOOST_TEST((stop_policy(1s).signal(SIGQUIT).grace() == 1s));
}

BOOST_AUTO_TEST_CASE(what_is_no_signal_is_refused_by_number) {
  for (int number : {0, -1, 65, 1000}) {
    auto message = message_of<std::invalid_argument>([&] { stop_policy(1s).signal(number); });
    CHECK_CONTAINS(message, std::to_string(number));
  }
  stop_policy policy;
  BOOST_CHECK_THROW(policy.signal(0), std::invalid_argument);
  BOOST_TEST(policy.signal() == SIGTERM, "a refused signal changes nothing");
}

BOOST_AUTO_TEST_SUITE_END()
