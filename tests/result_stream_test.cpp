#include <coproc/result_stream.hpp>

#include <coproc/pool.hpp>

#include "pool/list_of.hpp"
#include "pool/targets.hpp"
#include "pool/until_completed.hpp"
#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/leak_check.hpp"
#include "support/pending.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/require.hpp>
#include <coproc/pool_terminated.hpp>

#include <cstddef>
#include <exception>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using namespace coproc::test;

BOOST_AUTO_TEST_SUITE(result_stream)

namespace t = coproc::test::pool_targets;
using coproc::map_options;
using t::announcements;

CO_TEST(imap_gives_results_in_order) {
  coproc::pool workers(co_await this_executor(), 2);
  auto squares = workers.imap<t::square>(std::views::iota(0, 200));
  int expected = 0;
  while (auto got = co_await squares.next()) {
    BOOST_TEST(*got == expected * expected);
    ++expected;
  }
  BOOST_TEST(expected == 200);
  auto after = co_await squares.next();
  BOOST_TEST(!after.has_value());
}

CO_TEST_ONCE(empty_stream_is_a_logic_error) {
  coproc::result_stream<int> none;
  co_await thrown_by<std::logic_error>(none.next());
}

CO_TEST_ONCE(imap_holds_a_bounded_window_of_an_endless_range) {
  coproc::pool workers(co_await this_executor(), 2);
  auto read = std::make_shared<int>(0);
  auto endless = std::views::iota(0) | std::views::transform([read](int x) {
                   ++*read;
                   return x;
                 });
  auto squares = workers.imap<t::square>(endless, map_options().window(10));
  for (int i = 0; i != 1000; ++i) {
    auto got = co_await squares.next();
    BOOST_TEST(*got == i * i);
    BOOST_TEST(*read <= i + 1 + 10);
  }
}

CO_TEST_ONCE(imap_unordered_gives_what_comes_first) {
  coproc::pool workers(co_await this_executor(), 2);
  auto slept = workers.imap_unordered<t::sleep_ms>(list_of<int>(200, 1, 2, 3), map_options().chunk_size(1));
  std::vector<int> order;
  while (auto ms = co_await slept.next()) order.push_back(*ms);
  BOOST_TEST(order.size() == 4u);
  BOOST_TEST(order.back() == 200);
}

CO_TEST_ONCE(after_a_failed_item_next_goes_on) {
  coproc::pool workers(co_await this_executor(), 2);
  for (std::size_t chunk : {1u, 3u, 100u}) {
    auto items = workers.imap<t::throw_if_odd>(std::views::iota(0, 20), map_options().chunk_size(chunk));
    int values = 0, errors = 0;
    for (int i = 0; i != 20; ++i) {
      try {
        auto got = co_await items.next();
        BOOST_TEST(*got == i);
        ++values;
      } catch (const coproc::remote_error& e) {
        BOOST_TEST(e.message() == "odd: " + std::to_string(i));
        ++errors;
      }
    }
    BOOST_TEST(values == 10);
    BOOST_TEST(errors == 10);
    auto end = co_await items.next();
    BOOST_TEST(!end);
  }
}

/// Numbers, and then an exception.
struct failing_range {
  struct iterator {
    using value_type = int;
    using difference_type = std::ptrdiff_t;
    int at = 0;
    int operator*() const { return at; }
    iterator& operator++() {
      if (++at == 5) throw std::runtime_error("the range fails");
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return false; }
  };
  iterator begin() { return {}; }
  std::default_sentinel_t end() { return {}; }
};

CO_TEST_ONCE(what_the_range_throws_comes_last) {
  coproc::pool workers(co_await this_executor(), 2);
  failing_range range;
  auto items = workers.imap<t::square>(range);
  for (int i = 0; i != 5; ++i) {
    auto got = co_await items.next();
    BOOST_TEST(*got == i * i);
  }
  (void)co_await thrown_by<std::runtime_error>(items.next());
  auto end = co_await items.next();
  BOOST_TEST(!end);
  (void)co_await thrown_by<std::runtime_error>(workers.map<t::square>(range));
}

CO_TEST_ONCE(a_stream_can_be_dropped_and_outlives_its_pool) {
  auto workers = std::make_unique<coproc::pool>(co_await this_executor(), 2);
  {
    auto dropped = workers->imap<t::square>(std::views::iota(0));
    (void)co_await dropped.next();
  }
  const int four = co_await workers->apply<t::square>(2);
  BOOST_TEST(four == 4);
  auto items = workers->imap<t::sleep_ms>(std::views::iota(1));
  (void)co_await items.next();
  workers.reset();
  bool terminated = false;
  for (int i = 0; i != 1000 && !terminated; ++i) {
    try {
      auto got = co_await items.next();
      BOOST_REQUIRE(got.has_value());
    } catch (const coproc::pool_terminated&) {
      terminated = true;
    }
  }
  BOOST_TEST(terminated);
}

CO_TEST(a_next_that_waits_ends_with_its_stream) {
  coproc::pool workers(co_await this_executor(), 1);
  announcements never;
  for (bool assigned : {false, true}) {
    std::vector<announcements> both(2, never);
    auto items = std::make_unique<coproc::result_stream<int>>(workers.imap<t::wait_for>(both));
    auto next = co_await beside(items->next());
    co_await breathe();
    BOOST_TEST(!next.done());
    if (assigned)
      *items = workers.imap<t::wait_for>(both);
    else
      items.reset();
    const bool aborted = co_await next.aborted();
    BOOST_TEST(aborted);
  }
}

CO_TEST_ONCE(a_next_that_has_its_result_and_has_not_resumed_ends_with_its_stream) {
  coproc::pool workers(co_await this_executor(), 1);
  announcements go;
  std::vector<announcements> both(2, go);
  auto items = std::make_unique<coproc::result_stream<int>>(workers.imap<t::wait_for>(both));
  auto next = co_await beside(items->next());
  co_await breathe();
  co_await go.put(1);
  co_await until_completed(workers, 1);
  items.reset();
  const bool aborted = co_await next.aborted();
  BOOST_TEST(aborted);
}

CO_TEST_ONCE(a_next_that_outlives_its_stream_is_aborted_and_finds_no_end) {
  coproc::pool workers(co_await this_executor(), 1);
  for (int before : {0, 1, 20}) {
    auto items = std::make_unique<coproc::result_stream<int>>(
        workers.imap<t::square>(std::views::iota(0, 20), map_options().chunk_size(10)));
    for (int i = 0; i != before; ++i) (void)co_await items->next();
    auto late = items->next();
    items.reset();
    auto next = co_await beside(std::move(late));
    const bool aborted = co_await next.aborted();
    BOOST_TEST(aborted);
  }
}

// Every 128th goes through the loop before it waits, or before it looks.
CO_TEST_ONCE(a_second_next_is_a_logic_error_wherever_the_first_one_is) {
  for (int before = 125; before != 130; ++before) {
    coproc::pool workers(co_await this_executor(), 1);
    announcements go;
    auto items = workers.imap<t::wait_for>(std::vector<announcements>(200, go), map_options().chunk_size(1));
    for (int i = 0; i != before; ++i) {
      co_await go.put(i);
      (void)co_await items.next();
    }
    auto first = co_await beside(items.next());
    auto second = co_await beside(items.next());
    (void)co_await thrown_by<std::logic_error>(second.result());
    BOOST_TEST(!first.done());
    co_await go.put(before);
    co_await until_completed(workers, std::size_t(before) + 1);
    BOOST_TEST_REQUIRE(!first.done()); // it has been woken
    (void)co_await thrown_by<std::logic_error>(items.next());
    const std::optional<int> got = co_await first.result();
    BOOST_TEST(got.value() == before);
  }
}

asio::awaitable<void> take_one(std::optional<coproc::pool>& workers,
                               std::optional<coproc::result_stream<int>>& stream) {
  const asio::any_io_executor executor = co_await this_executor();
  workers.emplace(executor, 1);
  stream.emplace(workers->imap<t::square>(std::views::iota(0)));
  co_await stream->next();
}

asio::awaitable<void> drain(coproc::result_stream<int>& stream) {
  while (auto got = co_await stream.next()) BOOST_TEST(got.has_value());
}

BOOST_AUTO_TEST_CASE(what_its_context_has_taken_along_is_no_end) {
  leak_check leaks;
  std::optional<coproc::pool> workers;
  std::optional<coproc::result_stream<int>> stream;
  {
    asio::io_context first;
    asio::co_spawn(first, take_one(workers, stream), [&](std::exception_ptr) { first.stop(); });
    first.run();
  }
  BOOST_TEST_REQUIRE(stream.has_value());
  asio::io_context second;
  std::exception_ptr error;
  asio::co_spawn(second, drain(*stream), [&](std::exception_ptr e) { error = e; });
  second.run();
  BOOST_CHECK_THROW(std::rethrow_exception(error), coproc::pool_terminated);
}

/// An executor whose copies can be counted.
struct counted_executor {
  asio::any_io_executor inner;
  std::shared_ptr<int> mark;

  template <class Property>
  auto query(const Property& property) const -> decltype(inner.query(property)) {
    return inner.query(property);
  }
  template <class Property>
  auto require(const Property& property) const
      -> std::enable_if_t<asio::can_require_v<asio::any_io_executor, Property>, counted_executor> {
    return {asio::require(inner, property), mark};
  }
  template <class Function>
  void execute(Function&& function) const {
    inner.execute(std::forward<Function>(function));
  }
  bool operator==(const counted_executor&) const = default;
};

BOOST_AUTO_TEST_CASE(what_outlives_its_context_has_let_go_of_the_executor) {
  leak_check leaks;
  auto mark = std::make_shared<int>();
  std::optional<coproc::pool> workers;
  std::optional<coproc::result_stream<int>> stream;
  int calls = 0;
  {
    asio::io_context first;
    const asio::any_io_executor executor = counted_executor{first.get_executor(), mark};
    auto report = map_options().window(4).on_progress([&](coproc::progress) { ++calls; });
    workers.emplace(executor, 1);
    stream.emplace(workers->imap<t::square>(std::views::iota(0), report));
    asio::co_spawn(executor, stream->next(), [](std::exception_ptr, std::optional<int>) {});
    first.run();
  }
  BOOST_TEST(mark.use_count() == 1);
  const int before = calls;
  asio::io_context second;
  std::exception_ptr error;
  asio::co_spawn(second, drain(*stream), [&](std::exception_ptr e) { error = e; });
  second.run();
  BOOST_CHECK_THROW(std::rethrow_exception(error), coproc::pool_terminated);
  BOOST_TEST(calls == before);
}

BOOST_AUTO_TEST_SUITE_END()
