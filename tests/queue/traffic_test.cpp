// Many items: of several producers and consumers, beside other work, without allocations.
#include <coproc/queue.hpp>

#include "support/allocations.hpp"
#include "support/co_test.hpp"
#include "support/pending.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

using namespace coproc::test;

BOOST_AUTO_TEST_SUITE(queue_traffic)

using coproc::queue;
using coproc::queue_closed;

/// Shared by coroutines that may run on for a step when the test is cut short.
struct traffic {
  explicit traffic(std::ptrdiff_t maxsize) : q(maxsize) {}
  static constexpr int each = 60;
  queue<std::pair<int, int>> q;
  std::vector<std::vector<int>> seen = std::vector<std::vector<int>>(4);
};

asio::awaitable<void> produce(std::shared_ptr<traffic> t, int who) {
  for (int i = 0; i != traffic::each; ++i) {
    std::pair<int, int> item(who, i);
    co_await t->q.put(item);
  }
}

asio::awaitable<void> consume(std::shared_ptr<traffic> t) {
  try {
    for (;;) {
      std::pair<int, int> item = co_await t->q.get();
      t->seen[std::size_t(item.first)].push_back(item.second);
      t->q.task_done();
    }
  } catch (const queue_closed&) {
  }
}

CO_TEST(many_producers_and_consumers) {
  for (std::ptrdiff_t capacity : {0, 1, 3}) {
    auto t = std::make_shared<traffic>(capacity);
    std::vector<pending<void>> all;
    for (int i = 0; i != 3; ++i) all.push_back(co_await beside(consume(t)));
    for (int i = 0; i != 4; ++i) all.push_back(co_await beside(produce(t, i)));
    for (std::size_t i = 3; i != 7; ++i) co_await all[i].result();
    co_await t->q.join();
    t->q.close();
    for (std::size_t i = 0; i != 3; ++i) co_await all[i].result();
    std::vector<int> expected(traffic::each);
    std::iota(expected.begin(), expected.end(), 0);
    for (const auto& from_one : t->seen) BOOST_TEST(from_one == expected, boost::test_tools::per_element());
  }
}

CO_TEST(endless_operations_let_the_loop_breathe) {
  queue<int> q(1);
  auto others_run = std::make_shared<bool>(false);
  auto note = [others_run] { *others_run = true; };
  auto executor = co_await this_executor();
  asio::post(executor, std::move(note));
  for (int count = 0; !*others_run && count != 1000; ++count) {
    co_await q.put(count);
    (void)co_await q.get();
  }
  BOOST_TEST(*others_run);
}

struct ping_pong {
  queue<int> there{1}, back{1};
};

asio::awaitable<void> echo(std::shared_ptr<ping_pong> p) {
  for (;;) {
    int item = co_await p->there.get();
    co_await p->back.put(item);
  }
}

CO_TEST(two_that_wait_for_each_other_let_the_loop_breathe) {
  auto p = std::make_shared<ping_pong>();
  auto echoing = co_await beside(echo(p));
  co_await breathe();
  auto others_run = std::make_shared<bool>(false);
  auto note = [others_run] { *others_run = true; };
  auto executor = co_await this_executor();
  asio::post(executor, std::move(note));
  for (int count = 0; !*others_run && count != 1000; ++count) {
    co_await p->there.put(count);
    int got = co_await p->back.get();
    BOOST_TEST(got == count);
  }
  BOOST_TEST(*others_run);
}

/// @returns how many allocations @p items more take of what has been going on for as many.
template <class Work>
std::size_t allocations_of(std::ptrdiff_t capacity, int items, Work work) {
  asio::io_context context(1);
  queue<std::int64_t> q(capacity);
  std::size_t before = 0, after = 0;
  work(context, q, items, before, after);
  context.run_for(deadline());
  return after - before;
}

asio::awaitable<void> put_all(queue<std::int64_t>& q, int items) {
  for (int i = 0; i != 2 * items; ++i) co_await q.put(i);
}

asio::awaitable<void> get_all(queue<std::int64_t>& q, int items, std::size_t& before, std::size_t& after) {
  for (int i = 0; i != 2 * items; ++i) {
    if (i == items) before = allocations();
    co_await q.get();
  }
  after = allocations();
}

asio::awaitable<void> put_and_get_all(queue<std::int64_t>& q, int items, std::size_t& before,
                                      std::size_t& after) {
  for (int i = 0; i != 2 * items; ++i) {
    if (i == items) before = allocations();
    co_await q.put(i);
    co_await q.get();
  }
  after = allocations();
}

BOOST_AUTO_TEST_CASE(nothing_is_allocated_for_an_item_in_the_steady_state) {
  if (!allocations_are_counted) return;
  BOOST_TEST(allocations() != 0u); // they are
  constexpr int items = 5000;
  constexpr std::size_t most = items / 16; // for the pauses that let the loop breathe
  for (std::ptrdiff_t capacity : {1, 2, 16, 1024}) {
    BOOST_TEST_INFO_SCOPE("capacity " << capacity);
    const std::size_t handed_over =
        allocations_of(capacity, items, [](auto& context, auto& q, int count, auto& before, auto& after) {
          asio::co_spawn(context, put_all(q, count), [](std::exception_ptr e) { BOOST_TEST(!e); });
          asio::co_spawn(context, get_all(q, count, before, after),
                         [](std::exception_ptr e) { BOOST_TEST(!e); });
        });
    BOOST_TEST(handed_over < most);
    const std::size_t in_turn =
        allocations_of(capacity, items, [](auto& context, auto& q, int count, auto& before, auto& after) {
          asio::co_spawn(context, put_and_get_all(q, count, before, after),
                         [](std::exception_ptr e) { BOOST_TEST(!e); });
        });
    BOOST_TEST(in_turn < most);
  }
}

BOOST_AUTO_TEST_SUITE_END()
