#include <coproc/queue.hpp>

#include "queue/operations.hpp"
#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/pending.hpp"

#include <asio/post.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(queue)

using coproc::queue;
using coproc::queue_closed;
using coproc::queue_empty;
using coproc::queue_full;

BOOST_AUTO_TEST_CASE(forms_that_do_not_wait_need_no_loop) {
  queue<int> q(2);
  check_counters(q, 0);
  BOOST_CHECK_THROW(q.get_nowait(), queue_empty);
  BOOST_TEST(!q.try_get());
  q.put_nowait(1);
  check_counters(q, 1);
  BOOST_TEST(q.try_put(2));
  check_counters(q, 2);
  BOOST_CHECK_THROW(q.put_nowait(3), queue_full);
  BOOST_TEST(!q.try_put(3));
  check_counters(q, 2);
  BOOST_TEST(q.get_nowait() == 1);
  BOOST_TEST((q.try_get() == 2));
  check_counters(q, 0);
}

BOOST_AUTO_TEST_CASE(maxsize_of_zero_or_less_is_unbounded) {
  for (std::ptrdiff_t maxsize : {std::ptrdiff_t(0), std::ptrdiff_t(-1), PTRDIFF_MIN}) {
    queue<int> q(maxsize);
    BOOST_TEST(q.maxsize() == 0u);
    for (int i = 0; i != 1000; ++i) q.put_nowait(i);
    check_counters(q, 1000);
    for (int i = 0; i != 1000; ++i) BOOST_TEST(q.get_nowait() == i);
  }
  BOOST_TEST(queue<int>(7).maxsize() == 7u);
  BOOST_TEST(queue<int>().maxsize() == 0u);
}

BOOST_AUTO_TEST_CASE(ring_keeps_order_at_every_offset_and_size) {
  for (std::size_t capacity : {1u, 2u, 3u, 7u, 8u, 100u}) {
    queue<std::string> q(static_cast<std::ptrdiff_t>(capacity));
    int in = 0, out = 0;
    for (int round = 0; round != 300; ++round) {
      const int count = round % static_cast<int>(capacity) + 1;
      for (int i = 0; i != count && !q.full(); ++i) q.put_nowait(std::to_string(in++) + std::string(20, 'x'));
      for (int i = 0; i != (count + 1) / 2 && !q.empty(); ++i)
        BOOST_TEST(q.get_nowait() == std::to_string(out++) + std::string(20, 'x'));
    }
    while (!q.empty()) BOOST_TEST(q.get_nowait() == std::to_string(out++) + std::string(20, 'x'));
    BOOST_TEST(in == out);
  }
}

CO_TEST(items_come_out_in_the_order_they_went_in) {
  queue<int> q;
  for (int i = 0; i != 300; ++i) co_await q.put(i); // some of them through the loop
  check_counters(q, 300);
  for (int i = 0; i != 300; ++i) {
    int got = co_await q.get();
    BOOST_TEST(got == i);
  }
  check_counters(q, 0);
}

CO_TEST(get_waits_for_an_item) {
  queue<int> q;
  auto getter = co_await beside(q.get());
  co_await breathe();
  BOOST_TEST(!getter.done());
  q.put_nowait(7);
  BOOST_TEST(!getter.done(), "never completed inside of the put");
  int got = co_await getter.result();
  BOOST_TEST(got == 7);
  check_counters(q, 0);
}

CO_TEST(put_waits_for_room) {
  queue<int> q(1);
  co_await q.put(1);
  auto putter = co_await beside(q.put(2));
  co_await breathe();
  BOOST_TEST(!putter.done());
  check_counters(q, 1);
  BOOST_TEST(q.get_nowait() == 1);
  BOOST_TEST(!putter.done(), "never completed inside of the get");
  BOOST_TEST(q.get_nowait() == 2); // handed over as soon as there was room
  co_await putter.result();
  check_counters(q, 0);
}

CO_TEST(getters_are_served_in_the_order_they_came) {
  queue<int> q;
  std::vector<pending<int>> getters;
  for (int i = 0; i != 5; ++i) {
    getters.push_back(co_await beside(q.get()));
    co_await breathe();
  }
  for (int i = 0; i != 2; ++i) q.put_nowait(i);
  co_await breathe();
  for (int i = 0; i != 5; ++i) BOOST_TEST(getters[std::size_t(i)].done() == (i < 2));
  for (int i = 2; i != 5; ++i) q.put_nowait(i);
  for (int i = 0; i != 5; ++i) {
    int got = co_await getters[std::size_t(i)].result();
    BOOST_TEST(got == i);
  }
}

CO_TEST(putters_are_served_in_the_order_they_came) {
  queue<int> q(1);
  q.put_nowait(-1);
  std::vector<pending<void>> putters;
  for (int i = 0; i != 5; ++i) {
    putters.push_back(co_await beside(q.put(i)));
    co_await breathe();
  }
  for (int i = -1; i != 5; ++i) {
    int got = co_await q.get();
    BOOST_TEST(got == i);
  }
  for (auto& putter : putters) co_await putter.result();
}

CO_TEST(no_get_overtakes_one_that_waits) {
  queue<int> q;
  auto first = co_await beside(q.get());
  co_await breathe();
  q.put_nowait(1);
  auto second = co_await beside(q.get());
  int got = co_await first.result();
  BOOST_TEST(got == 1);
  co_await breathe();
  BOOST_TEST(!second.done());
  q.put_nowait(2);
  got = co_await second.result();
  BOOST_TEST(got == 2);
}

CO_TEST(get_nowait_takes_what_nobody_has_taken_yet) {
  queue<int> q;
  auto first = co_await beside(q.get());
  co_await breathe();
  auto second = co_await beside(q.get());
  co_await breathe();
  q.put_nowait(1);
  BOOST_TEST(q.get_nowait() == 1); // qsize() said that it is there
  co_await breathe();
  BOOST_TEST(!first.done());
  q.put_nowait(2);
  q.put_nowait(3);
  int got = co_await first.result();
  BOOST_TEST(got == 2);
  got = co_await second.result();
  BOOST_TEST(got == 3);
}

CO_TEST(what_is_done_at_once_minds_who_waits) {
  queue<int> q(2);
  for (int i = 0; i != 40; ++i) { // past the first checks
    co_await q.put(i);
    int got = co_await q.get();
    BOOST_TEST(got == i);
  }
  // A get that waits is woken by a put.
  auto getter = co_await beside(q.get());
  co_await breathe();
  co_await q.put(1);
  int got = co_await getter.result();
  BOOST_TEST(got == 1);
  co_await q.put(2);
  co_await q.put(3);
  // A put that waits is let in by a get, and what was put before goes before.
  auto putter = co_await beside(q.put(4));
  co_await breathe();
  BOOST_TEST(!putter.done());
  for (int i = 2; i != 5; ++i) {
    got = co_await q.get();
    BOOST_TEST(got == i);
  }
  co_await putter.result();
  co_await q.put(5);
  q.close();
  got = co_await q.get();
  BOOST_TEST(got == 5);
  co_await thrown_by<queue_closed>(q.put(6));
  co_await thrown_by<queue_closed>(q.get());
}

CO_TEST(get_with_a_timeout) {
  queue<int> q;
  auto expired = co_await thrown_by<queue_empty>(q.get(5ms));
  CHECK_CONTAINS(expired.what(), "within the time");
  co_await thrown_by<queue_empty>(q.get(0ms));
  co_await thrown_by<queue_empty>(q.get(-1h));
  co_await thrown_by<queue_empty>(q.get(coproc::duration::min()));
  q.put_nowait(1);
  q.put_nowait(2);
  q.put_nowait(3);
  int got = co_await q.get(0ms);
  BOOST_TEST(got == 1);
  got = co_await q.get(-1ms);
  BOOST_TEST(got == 2);
  got = co_await q.get(1h);
  BOOST_TEST(got == 3);
  for (coproc::duration huge :
       {coproc::duration::max(), coproc::duration::max() - 1ns, coproc::duration(1h)}) {
    auto getter = co_await beside(q.get(huge));
    co_await breathe();
    BOOST_TEST(!getter.done());
    q.put_nowait(4);
    got = co_await getter.result();
    BOOST_TEST(got == 4);
  }
  check_counters(q, 0);
}

CO_TEST(put_with_a_timeout) {
  queue<int> q(1);
  co_await q.put(1, 0ms);
  auto expired = co_await thrown_by<queue_full>(q.put(2, 5ms));
  CHECK_CONTAINS(expired.what(), "within the time");
  co_await thrown_by<queue_full>(q.put(2, 0ms));
  co_await thrown_by<queue_full>(q.put(2, coproc::duration::min()));
  check_counters(q, 1);
  auto putter = co_await beside(q.put(3, coproc::duration::max() - 1ns));
  co_await breathe();
  BOOST_TEST(!putter.done());
  BOOST_TEST(q.get_nowait() == 1);
  co_await putter.result();
  BOOST_TEST(q.get_nowait() == 3);
}

CO_TEST(getter_that_timed_out_is_out_of_line) {
  queue<int> q;
  auto first = co_await beside(q.get(1ms));
  auto second = co_await beside(q.get());
  co_await thrown_by<queue_empty>(first.result());
  q.put_nowait(1);
  int got = co_await second.result();
  BOOST_TEST(got == 1);
}

CO_TEST(timeout_goes_on_when_the_item_is_taken_by_somebody_else) {
  queue<int> q;
  auto getter = co_await beside(q.get(20ms));
  co_await breathe();
  q.put_nowait(1);
  BOOST_TEST(q.get_nowait() == 1);
  co_await thrown_by<queue_empty>(getter.result());
}

CO_TEST(close_fails_puts_at_once_and_gets_once_it_is_drained) {
  queue<int> q(1);
  q.put_nowait(1);
  auto putter = co_await beside(q.put(2));
  co_await breathe();
  BOOST_TEST(!q.closed());
  q.close();
  q.close(); // does nothing
  BOOST_TEST(q.closed());
  co_await thrown_by<queue_closed>(putter.result());
  BOOST_CHECK_THROW(q.put_nowait(3), queue_closed);
  BOOST_TEST(!q.try_put(3));
  co_await thrown_by<queue_closed>(q.put(3));
  co_await thrown_by<queue_closed>(q.put(3, 0ms));
  check_counters(q, 1);
  int got = co_await q.get();
  BOOST_TEST(got == 1);
  co_await thrown_by<queue_closed>(q.get());
  co_await thrown_by<queue_closed>(q.get(1ms));
  co_await thrown_by<queue_closed>(q.get(0ms));
  BOOST_CHECK_THROW(q.get_nowait(), queue_closed);
  BOOST_TEST(!q.try_get());
}

CO_TEST(close_ends_getters_that_wait) {
  queue<int> q;
  auto first = co_await beside(q.get());
  co_await breathe();
  auto second = co_await beside(q.get(1h));
  co_await breathe();
  q.put_nowait(1);
  q.close();
  int got = co_await first.result();
  BOOST_TEST(got == 1);
  co_await thrown_by<queue_closed>(second.result());
}

CO_TEST(getter_learns_of_the_end_when_somebody_else_took_the_last_item) {
  queue<int> q;
  auto getter = co_await beside(q.get());
  co_await breathe();
  q.put_nowait(1);
  q.close();
  BOOST_TEST(q.get_nowait() == 1);
  co_await thrown_by<queue_closed>(getter.result());
}

CO_TEST(join_waits_until_every_item_is_done) {
  queue<int> q;
  co_await q.join(); // nothing was added
  BOOST_CHECK_THROW(q.task_done(), std::logic_error);
  co_await q.put(1);
  q.put_nowait(2);
  auto joined = co_await beside(q.join());
  auto joined_too = co_await beside(q.join());
  co_await breathe();
  BOOST_TEST(!joined.done());
  (void)q.get_nowait();
  (void)co_await q.get();
  co_await breathe();
  BOOST_TEST(!joined.done(), "taken is not done");
  q.task_done();
  co_await breathe();
  BOOST_TEST(!joined.done());
  q.task_done();
  co_await joined.result();
  co_await joined_too.result();
  BOOST_CHECK_THROW(q.task_done(), std::logic_error);
  co_await q.join();
}

CO_TEST(join_counts_items_that_waited_for_room) {
  queue<int> q(1);
  q.put_nowait(1);
  auto putter = co_await beside(q.put(2));
  co_await breathe();
  (void)q.get_nowait();
  q.task_done();
  co_await putter.result();
  auto joined = co_await beside(q.join());
  co_await breathe();
  BOOST_TEST(!joined.done());
  q.close();
  (void)co_await q.get();
  q.task_done();
  co_await joined.result();
}

CO_TEST(get_that_does_not_wait_takes_what_is_nobody_elses_turn) {
  queue<int> q;
  auto getter = co_await beside(q.get());
  co_await breathe();
  for (int i = 0; i != 3; ++i) q.put_nowait(i);
  for (int i = 0; i != 2; ++i) {
    int got = co_await q.get(0ms);
    BOOST_TEST(got == i);
  }
  co_await thrown_by<queue_empty>([&] { return q.get(0ms); }); // the last one is the getter's
  int got = co_await getter.result();
  BOOST_TEST(got == 2);
}

/// Takes a number down when it has taken an item.
asio::awaitable<void> sign_in(queue<int>& q, int number, std::shared_ptr<std::vector<int>> order) {
  (void)co_await q.get();
  order->push_back(number);
}

CO_TEST_ONCE(gets_that_wait_are_served_in_the_order_they_came) {
  constexpr int many = 300;
  queue<int> q;
  auto order = std::make_shared<std::vector<int>>();
  std::vector<pending<void>> all;
  const asio::any_io_executor executor = co_await this_executor();
  for (int i = 0; i != many; ++i) all.emplace_back(executor, sign_in(q, i, order));
  for (int i = 0; i != many; ++i) q.put_nowait(i);
  for (auto& one : all) co_await one.result();
  BOOST_TEST(order->size() == std::size_t(many));
  BOOST_TEST(std::is_sorted(order->begin(), order->end()));
}

CO_TEST_ONCE(time_in_which_a_get_lets_others_run_counts_as_waiting) {
  queue<int> q;
  const asio::any_io_executor executor = co_await this_executor();
  int expired = 0;
  for (int i = 0; i != 40; ++i) { // one of them lets others run
    auto got = std::make_shared<bool>(false);
    q.put_nowait(0);
    asio::post(executor, [&, got] { // comes in between then
      if (*got) return;
      (void)q.get_nowait();
      std::this_thread::sleep_for(300ms);
    });
    const auto start = std::chrono::steady_clock::now();
    try {
      (void)co_await q.get(250ms);
      *got = true;
    } catch (const queue_empty&) {
      BOOST_TEST(((std::chrono::steady_clock::now() - start) < 500ms));
      ++expired;
    }
    co_await breathe();
  }
  BOOST_TEST(expired == 1);
}

BOOST_AUTO_TEST_SUITE_END()
