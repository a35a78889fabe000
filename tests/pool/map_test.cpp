// map() and starmap(): all results, in order.
#include <coproc/pool.hpp>

#include "pool/list_of.hpp"
#include "pool/targets.hpp"
#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/pending.hpp"

#include <cstddef>
#include <cstring>
#include <list>
#include <map>
#include <memory>
#include <numeric>
#include <ranges>
#include <string>
#include <tuple>
#include <vector>

using namespace coproc::test;

BOOST_AUTO_TEST_SUITE(pool_map)

namespace t = coproc::test::pool_targets;
using coproc::map_options;
using coproc::pool_options;

CO_TEST(map_keeps_the_order) {
  coproc::pool workers(co_await this_executor(), 2);
  std::vector<int> numbers(500);
  std::iota(numbers.begin(), numbers.end(), 0);
  std::vector<int> squares = co_await workers.map<t::square>(numbers);
  BOOST_REQUIRE(squares.size() == numbers.size());
  for (std::size_t i = 0; i != numbers.size(); ++i) BOOST_TEST(squares[i] == numbers[i] * numbers[i]);
}

CO_TEST_ONCE(map_keeps_the_order_when_later_items_are_faster) {
  coproc::pool workers(co_await this_executor(), 3);
  std::vector<int> times{60, 1, 30, 2, 5, 1, 1};
  std::vector<int> slept = co_await workers.map<t::sleep_ms>(times, map_options().chunk_size(1));
  BOOST_TEST(slept == times, boost::test_tools::per_element());
}

CO_TEST_ONCE(map_takes_any_range_and_chunk_size) {
  coproc::pool workers(co_await this_executor(), 2);
  std::vector<int> none;
  auto empty = co_await workers.map<t::square>(none);
  BOOST_TEST(empty.empty());
  std::list<std::string> texts{"a", "bc", "def"};
  auto lengths = co_await workers.map<t::length>(texts);
  BOOST_TEST(lengths == (list_of<std::size_t>(1, 2, 3)), boost::test_tools::per_element());
  auto generated = std::views::iota(0, 100) | std::views::filter([](int x) { return x % 2 == 0; });
  for (std::size_t size : {1u, 2u, 7u, 50u, 1000u}) {
    auto squares = co_await workers.map<t::square>(generated, map_options().chunk_size(size));
    BOOST_REQUIRE(squares.size() == 50u);
    BOOST_TEST(squares[49] == 98 * 98);
  }
  auto moved = co_await workers.map<t::length>(list_of<std::string>("one", "three"));
  BOOST_TEST(moved[1] == 5u);
  co_await workers.map<t::print>(list_of<std::string>("", ""));
}

CO_TEST_ONCE(starmap_spreads_tuples) {
  coproc::pool workers(co_await this_executor(), 2);
  std::vector<std::tuple<int, int>> sums{{1, 2}, {3, 4}};
  auto results = co_await workers.starmap<t::add>(sums);
  BOOST_TEST(results == (list_of<int>(3, 7)), boost::test_tools::per_element());
  std::map<int, int> pairs{{1, 10}, {2, 20}};
  auto more = co_await workers.starmap<t::add>(pairs);
  BOOST_TEST(more == (list_of<int>(11, 22)), boost::test_tools::per_element());
}

struct named_square {
  const std::string name;
  const int value;
};
named_square name_square(int x) { return {std::to_string(x), x * x}; }
struct constant_square {
  const int value;
  const int of;
};
constant_square square_and_of(int x) { return {x * x, x}; }
struct half_constant {
  const int kind = 7;
  int value = 0;
};
half_constant half_constant_square(int x) {
  half_constant made;
  made.value = x * x;
  return made;
}

CO_TEST_ONCE(results_with_const_fields_cross) {
  coproc::pool workers(co_await this_executor(), 2);
  std::vector<int> numbers(100);
  std::iota(numbers.begin(), numbers.end(), 0);
  const auto named = co_await workers.map<name_square>(numbers, map_options().chunk_size(7));
  const auto constant = co_await workers.map<square_and_of>(numbers, map_options().chunk_size(7));
  const auto half = co_await workers.map<half_constant_square>(numbers);
  BOOST_REQUIRE(named.size() == 100u);
  BOOST_REQUIRE(constant.size() == 100u);
  BOOST_REQUIRE(half.size() == 100u);
  BOOST_TEST(named[99].name == "99");
  BOOST_TEST(constant[99].value == 99 * 99);
  BOOST_TEST(half[99].value == 99 * 99);
  BOOST_TEST(half[99].kind == 7);
}

struct verdict {
  bool good;
  int number;
};
verdict bad_bool_if_odd(int number) {
  verdict made{true, number};
  const unsigned char two = 2;
  if (number % 2 == 1) std::memcpy(static_cast<void*>(&made.good), &two, 1);
  return made;
}

CO_TEST_ONCE(map_passes_on_no_bool_that_is_neither_0_nor_1) {
  coproc::pool workers(co_await this_executor(), 1);
  const auto good = co_await workers.map<bad_bool_if_odd>(list_of<int>(2, 4));
  BOOST_TEST(good[1].number == 4);
  auto error = co_await thrown_by<coproc::wire::error>(workers.map<bad_bool_if_odd>(list_of<int>(2, 3)));
  CHECK_CONTAINS(std::string(error.what()), "expected a bool (0 or 1), found 2");
}

CO_TEST_ONCE(map_throws_what_an_item_threw) {
  coproc::pool workers(co_await this_executor(), 2);
  auto error =
      co_await thrown_by<coproc::remote_error>(workers.map<t::throw_if_odd>(list_of<int>(0, 2, 4, 5, 6)));
  BOOST_TEST(error.message() == "odd: 5");
  const int four = co_await workers.apply<t::square>(2);
  BOOST_TEST(four == 4);
}

CO_TEST_ONCE(stats_count_items) {
  coproc::pool workers(co_await this_executor(), 2);
  (void)co_await workers.map<t::square>(std::vector<int>(1234, 2));
  BOOST_TEST(workers.stats().completed == 1234u);
  BOOST_TEST(workers.stats().queued == 0u);
  BOOST_TEST(workers.stats().running == 0u);
}

CO_TEST_ONCE(progress_is_reported_to_its_end) {
  auto last = std::make_shared<coproc::progress>();
  auto all = std::make_shared<coproc::progress>();
  auto note = [all](coproc::progress now) { *all = now; };
  coproc::pool workers(co_await this_executor(), pool_options().size(2).on_progress(note));
  auto report = [last](coproc::progress now) {
    BOOST_TEST(now.completed >= last->completed);
    *last = now;
  };
  (void)co_await workers.map<t::square>(std::vector<int>(100, 2), map_options().on_progress(report));
  co_await breathe();
  BOOST_TEST(last->completed == 100u);
  BOOST_TEST(last->total == 100u);
  BOOST_TEST(all->completed == 100u);
}

CO_TEST_ONCE(elements_in_a_row_whose_number_is_not_known) {
  coproc::pool workers(co_await this_executor(), 2);
  const std::vector<int> numbers{1, 2, 3, 4, 50, 6};
  const auto small = [](int n) { return n < 10; };
  const std::vector<int> squares = co_await workers.map<t::square>(numbers | std::views::take_while(small));
  BOOST_TEST((squares == std::vector<int>{1, 4, 9, 16}));
}

CO_TEST_ONCE(chunk_of_any_size) {
  coproc::pool workers(co_await this_executor(), 4);
  const std::vector<int> numbers{1, 2, 3};
  auto options = coproc::map_options().chunk_size(std::size_t(1) << 62);
  auto stream = workers.imap<t::square>(numbers, std::move(options));
  int sum = 0;
  while (auto got = co_await stream.next()) sum += *got;
  BOOST_TEST(sum == 14);
}

CO_TEST_ONCE(last_report_of_progress_is_of_all_items) {
  coproc::pool workers(co_await this_executor(), 2);
  for (int count = 100; count != 300; ++count) {
    std::size_t done = 0;
    auto options =
        coproc::map_options().chunk_size(1).on_progress([&](coproc::progress p) { done = p.done(); });
    (void)co_await workers.map<t::square>(std::views::iota(0, count), std::move(options));
    BOOST_TEST(done == static_cast<std::size_t>(count));
  }
}

BOOST_AUTO_TEST_SUITE_END()
