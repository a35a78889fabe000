// Items that can only be moved, and such whose move throws.
#include <coproc/queue.hpp>
#include <coproc/select.hpp>

#include "queue/operations.hpp"
#include "support/allocations.hpp"
#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/pending.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <chrono>
#include <deque>
#include <exception>
#include <memory>
#include <new>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(queue_items)

using coproc::queue;

CO_TEST(items_may_be_move_only_and_without_a_default) {
  struct item {
    explicit item(int n, std::string) : value(std::make_unique<int>(n)) {}
    std::unique_ptr<int> value;
  };
  queue<item> q(1);
  co_await q.emplace(1, "x");
  auto putter = co_await beside(q.emplace(2, "y"));
  co_await breathe();
  item first = co_await q.get();
  BOOST_TEST(*first.value == 1);
  item second = co_await q.get(1h);
  BOOST_TEST(*second.value == 2);
  co_await putter.result();
}

CO_TEST(try_put_leaves_what_it_does_not_take) {
  queue<std::unique_ptr<int>> q(1);
  auto first = std::make_unique<int>(1), second = std::make_unique<int>(2);
  BOOST_TEST(q.try_put(std::move(first)));
  BOOST_TEST(!first);
  BOOST_TEST(!q.try_put(std::move(second)));
  BOOST_TEST(*second == 2);
  co_return;
}

/// Throws when it is moved, as often as told.
struct fragile {
  explicit fragile(int n) : value(n) {}
  fragile(fragile&& other) : value(other.value) {
    if (throws != 0 && --throws == 0) throw std::domain_error("moved");
    other.value = -1;
  }
  int value;
  static inline int throws = 0;
};

CO_TEST(item_whose_move_throws_stays) {
  fragile::throws = 0;
  queue<fragile> q(2);
  q.put_nowait(fragile(1));
  q.put_nowait(fragile(2));
  fragile::throws = 1;
  BOOST_CHECK_THROW(q.get_nowait(), std::domain_error);
  check_counters(q, 2);
  fragile::throws = 1;
  BOOST_CHECK_THROW(q.try_get(), std::domain_error);
  check_counters(q, 2);
  fragile::throws = 1;
  co_await thrown_by<std::domain_error>([&] { return q.get(); });
  check_counters(q, 2);
  fragile::throws = 1;
  co_await thrown_by<std::domain_error>([&] { return coproc::select(q); });
  check_counters(q, 2);
  BOOST_TEST(q.get_nowait().value == 1);
  BOOST_TEST(q.get_nowait().value == 2);
}

BOOST_AUTO_TEST_CASE(forms_that_do_not_wait_lose_no_item_whatever_move_throws) {
  for (int nth = 1; nth != 4; ++nth) {
    fragile::throws = 0;
    queue<fragile> q;
    q.put_nowait(fragile(1));
    fragile::throws = nth;
    try {
      BOOST_TEST(q.try_get()->value == 1);
      check_counters(q, 0);
    } catch (const std::domain_error&) {
      check_counters(q, 1);
    }
  }
  fragile::throws = 0;
}

CO_TEST(select_loses_an_item_only_on_the_way_to_its_caller) {
  int lost = 0;
  for (int nth = 1; nth != 5; ++nth) {
    fragile::throws = 0;
    queue<fragile> q, other;
    q.put_nowait(fragile(1));
    fragile::throws = nth;
    bool thrown = false;
    try {
      auto got = co_await coproc::select(q, other);
      BOOST_TEST(std::get<0>(got).value == 1);
    } catch (const std::domain_error&) {
      thrown = true;
    }
    fragile::throws = 0;
    if (thrown && q.empty()) ++lost;
    if (auto left = q.try_get()) BOOST_TEST(left->value == 1);
  }
  BOOST_TEST(lost == 1);
}

CO_TEST(put_whose_move_throws_adds_none) {
  fragile::throws = 0;
  queue<fragile> q(1);
  q.put_nowait(fragile(1));
  auto putter = co_await beside(q.put(fragile(2)));
  auto next = co_await beside(q.put(fragile(3)));
  co_await breathe();
  fragile::throws = 2; // the move into the queue, by whoever makes room
  fragile got = q.get_nowait();
  BOOST_TEST(got.value == 1);
  co_await thrown_by<std::domain_error>(putter.result());
  co_await next.result();
  BOOST_TEST(q.get_nowait().value == 3);
  fragile::throws = 0;
}

CO_TEST(growth_loses_no_item_whose_move_could_throw) {
  fragile::throws = 0;
  queue<fragile> q;
  for (int i = 0; i != 16; ++i) q.put_nowait(fragile(i));
  for (int nth = 1; nth != 40; ++nth) {
    fragile::throws = nth;
    try {
      q.put_nowait(fragile(16)); // for the first time there is no room
    } catch (const std::domain_error&) {
      check_counters(q, 16);
      continue;
    }
    break;
  }
  fragile::throws = 0;
  for (int i = 0; i != 17; ++i) BOOST_TEST(q.get_nowait().value == i);
  check_counters(q, 0);
  co_return;
}

BOOST_AUTO_TEST_CASE(put_that_finds_no_memory_to_wake_a_getter_adds_nothing) {
  if (!allocations_are_counted) return;
  asio::io_context loop;
  queue<int> q;
  int got = 0;
  asio::co_spawn(loop, q.get(), [&](std::exception_ptr, int item) { got = item; });
  loop.poll();
  {
    failing_allocation none(1);
    BOOST_CHECK_THROW(q.put_nowait(1), std::bad_alloc);
  }
  check_counters(q, 0);
  q.put_nowait(2);
  loop.restart();
  loop.run();
  BOOST_TEST(got == 2);
}

CO_TEST(items_may_be_containers_whose_move_is_not_noexcept) {
  using list = std::deque<std::unique_ptr<int>>; // says that it can be copied, too
  queue<list> q;
  for (int i = 0; i != 40; ++i) {
    list item;
    item.push_back(std::make_unique<int>(i));
    q.put_nowait(std::move(item));
  }
  list first = co_await q.get();
  BOOST_TEST(*first.front() == 0);
}

/// Uses its queue when the first one is destroyed there; each copy has a number, which it gives away.
/// @tparam Boxed whether it is kept by pointer.
template <bool Boxed>
struct last_words {
  using queue_type = queue<last_words>;
  explicit last_words(int n) : value(n) {}
  last_words(const last_words& other) noexcept(!Boxed) : value(other.value) {}
  ~last_words() {
    if (value == said_by) std::exchange(say, nullptr)(*std::exchange(heard_by, nullptr));
  }
  int value;
  std::vector<int> weight = std::vector<int>(8, value); ///< Memory of its own, for tools that see misuse.
  static inline int said_by = -1;
  static inline void (*say)(queue_type&) = nullptr;
  static inline queue_type* heard_by = nullptr;
};

/// Takes the first of 16 items, @p say()s something when that is destroyed in the queue. @returns the rest.
template <bool Boxed>
std::vector<int> left_after(void (*say)(queue<last_words<Boxed>>&)) {
  using item = last_words<Boxed>;
  queue<item> q;
  for (int i = 0; i != 16; ++i) q.put_nowait(item(i));
  item::say = say;
  item::heard_by = &q;
  item::said_by = 0;
  {
    item first = q.get_nowait();
    BOOST_TEST(first.value == 0);
    BOOST_TEST(!item::say);
    item::said_by = -1;
  }
  std::vector<int> left;
  while (!q.empty()) left.push_back(q.get_nowait().value);
  return left;
}

template <bool Boxed>
void put_some(queue<last_words<Boxed>>& q) {
  last_words<Boxed>::said_by = -1;
  for (int i = 16; i != 50; ++i) q.put_nowait(last_words<Boxed>(i));
}

template <bool Boxed>
void take_one(queue<last_words<Boxed>>& q) {
  last_words<Boxed>::said_by = -1;
  BOOST_TEST(q.qsize() == 15u);
  BOOST_TEST(q.try_get()->value == 1);
}

template <bool Boxed>
void check_last_words() {
  std::vector<int> expected(49);
  std::iota(expected.begin(), expected.end(), 1);
  BOOST_TEST(left_after<Boxed>(put_some<Boxed>) == expected, boost::test_tools::per_element());
  expected.assign(14, 0);
  std::iota(expected.begin(), expected.end(), 2);
  BOOST_TEST(left_after<Boxed>(take_one<Boxed>) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(destructor_of_an_item_may_use_its_queue) { check_last_words<false>(); }
BOOST_AUTO_TEST_CASE(destructor_of_an_item_that_is_kept_by_pointer_may_use_its_queue) {
  check_last_words<true>();
}

BOOST_AUTO_TEST_CASE(close_that_finds_no_memory_changes_nothing) {
  if (!allocations_are_counted) return;
  asio::io_context loop;
  queue<int> q;
  std::exception_ptr error;
  asio::co_spawn(loop, q.get(), [&](std::exception_ptr e, int) { error = e; });
  loop.poll();
  {
    failing_allocation none(1);
    BOOST_CHECK_THROW(q.close(), std::bad_alloc);
  }
  BOOST_TEST(!q.closed());
  q.close();
  loop.restart();
  loop.run();
  BOOST_REQUIRE(error);
  BOOST_CHECK_THROW(std::rethrow_exception(error), coproc::queue_closed);
}

BOOST_AUTO_TEST_SUITE_END()
