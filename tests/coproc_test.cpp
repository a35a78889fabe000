#include <coproc/coproc.hpp>

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <type_traits>

BOOST_AUTO_TEST_SUITE(coproc_header)

using namespace std::chrono_literals;

BOOST_AUTO_TEST_CASE(version_of_headers_and_library_agree) {
  BOOST_TEST(coproc::version() == COPROC_VERSION);
}

BOOST_AUTO_TEST_CASE(durations_that_lose_nothing_convert) {
  coproc::duration d = 5s;
  BOOST_TEST((d == 5000ms));
  static_assert(std::is_convertible_v<std::chrono::microseconds, coproc::duration>);
  static_assert(!std::is_convertible_v<std::chrono::duration<double>, coproc::duration>);
}

BOOST_AUTO_TEST_CASE(results_have_an_empty_state) {
  static_assert(std::is_default_constructible_v<coproc::completed>);
  static_assert(std::is_default_constructible_v<coproc::exit_status>);
  static_assert(std::is_default_constructible_v<coproc::resource_usage>);
  static_assert(std::is_default_constructible_v<coproc::child>);
  static_assert(std::is_default_constructible_v<coproc::permit>);
  coproc::resource_usage usage;
  BOOST_TEST((usage.user == 0s && usage.system == 0s));
  BOOST_TEST(usage.max_rss_bytes == 0u);
}

BOOST_AUTO_TEST_CASE(handles_move_and_values_copy) {
  static_assert(!std::is_copy_constructible_v<coproc::child> &&
                std::is_nothrow_move_constructible_v<coproc::child>);
  static_assert(!std::is_copy_constructible_v<coproc::permit> &&
                std::is_nothrow_move_constructible_v<coproc::permit>);
  static_assert(!std::is_copy_constructible_v<coproc::input_stream> &&
                !std::is_copy_constructible_v<coproc::output_stream>);
  static_assert(std::is_copy_constructible_v<coproc::command> &&
                std::is_nothrow_move_constructible_v<coproc::command>);
  static_assert(std::is_copy_constructible_v<coproc::pipeline> &&
                std::is_copy_constructible_v<coproc::stdio>);
  static_assert(std::is_nothrow_destructible_v<coproc::child>);
  BOOST_TEST(true);
}

BOOST_AUTO_TEST_SUITE_END()
