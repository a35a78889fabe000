#include <coproc/queue.hpp>

#include "support/allocations.hpp"
#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/pending.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/strand.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <functional>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(queue)

using coproc::queue;
using coproc::queue_closed;
using coproc::queue_empty;
using coproc::queue_full;

/// The counters, which have to agree with each other and with the forms that do not wait.
template <class T>
void check_counters(queue<T>& q, std::size_t expected) {
  BOOST_TEST(q.qsize() == expected);
  BOOST_TEST(q.empty() == (expected == 0));
  BOOST_TEST(q.full() == (q.maxsize() != 0 && expected == q.maxsize()));
}

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

CO_TEST(cancelled_get_takes_no_item) {
  queue<int> q;
  auto getter = co_await beside(q.get());
  auto next = co_await beside(q.get());
  co_await breathe();
  getter.cancel();
  bool aborted = co_await getter.aborted();
  BOOST_TEST(aborted);
  q.put_nowait(1);
  int got = co_await next.result();
  BOOST_TEST(got == 1);
}

CO_TEST(item_of_a_get_that_is_cancelled_before_it_runs_stays_in_its_place) {
  queue<int> q(3);
  auto getter = co_await beside(q.get());
  co_await breathe();
  for (int i = 1; i != 4; ++i) q.put_nowait(i);
  check_counters(q, 3); // it leaves when the coroutine runs
  getter.cancel();
  bool aborted = co_await getter.aborted();
  BOOST_TEST(aborted);
  check_counters(q, 3);
  for (int i = 1; i != 4; ++i) BOOST_TEST(q.get_nowait() == i);
}

CO_TEST(item_of_a_cancelled_get_goes_to_the_next_one) {
  queue<int> q;
  auto first = co_await beside(q.get());
  co_await breathe();
  auto second = co_await beside(q.get());
  co_await breathe();
  q.put_nowait(1);
  first.cancel();
  int got = co_await second.result();
  BOOST_TEST(got == 1);
  bool aborted = co_await first.aborted();
  BOOST_TEST(aborted);
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

CO_TEST(cancelled_put_adds_none) {
  queue<int> q(1);
  q.put_nowait(1);
  auto first = co_await beside(q.put(2));
  co_await breathe();
  auto second = co_await beside(q.put(3));
  co_await breathe();
  first.cancel();
  bool aborted = co_await first.aborted();
  BOOST_TEST(aborted);
  BOOST_TEST(q.get_nowait() == 1);
  BOOST_TEST(q.get_nowait() == 3);
  co_await second.result();
  check_counters(q, 0);
}

CO_TEST(put_that_is_cancelled_after_its_item_was_added_has_succeeded) {
  queue<int> q(1);
  q.put_nowait(1);
  auto putter = co_await beside(q.put(2));
  co_await breathe();
  BOOST_TEST(q.get_nowait() == 1);
  putter.cancel();
  bool aborted = co_await putter.aborted();
  BOOST_TEST(!aborted);
  BOOST_TEST(q.get_nowait() == 2);
}

struct cancelled_get {
  queue<int> q;
  bool aborted = false;
};

asio::awaitable<void> get_with_every_cancellation(std::shared_ptr<cancelled_get> s) {
  co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
  try {
    (void)co_await s->q.get();
  } catch (const std::system_error& e) {
    s->aborted = e.code() == asio::error::operation_aborted;
  }
}

BOOST_AUTO_TEST_CASE(every_type_of_cancellation_is_accepted) {
  for (auto type : {asio::cancellation_type::terminal, asio::cancellation_type::partial,
                    asio::cancellation_type::total}) {
    asio::io_context loop;
    asio::cancellation_signal signal;
    auto s = std::make_shared<cancelled_get>();
    auto done = [](std::exception_ptr) {};
    asio::co_spawn(loop, get_with_every_cancellation(s), asio::bind_cancellation_slot(signal.slot(), done));
    loop.poll();
    signal.emit(type);
    loop.run();
    BOOST_TEST(s->aborted);
  }
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

CO_TEST(cancelled_join_leaves_the_count) {
  queue<int> q;
  q.put_nowait(1);
  auto joined = co_await beside(q.join());
  co_await breathe();
  joined.cancel();
  bool aborted = co_await joined.aborted();
  BOOST_TEST(aborted);
  q.task_done();
  co_await q.join();
}

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
  co_await thrown_by<std::domain_error>([&] { return q.get(); });
  check_counters(q, 2);
  BOOST_TEST(q.get_nowait().value == 1);
  BOOST_TEST(q.get_nowait().value == 2);
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

CO_TEST(destructor_completes_waiters_with_operation_aborted) {
  auto q = std::make_unique<queue<int>>(1);
  auto getter = co_await beside(q->get());
  co_await breathe();
  q->put_nowait(1);
  int got = co_await getter.result();
  BOOST_TEST(got == 1);
  auto join = co_await beside(q->join());
  auto getting = co_await beside(q->get());
  co_await breathe();
  q->put_nowait(2); // whoever waits has not run when the queue goes
  auto late = co_await beside(q->get());
  q.reset();
  for (auto* waiter : {&getting, &late}) {
    bool aborted = co_await waiter->aborted();
    BOOST_TEST(aborted);
  }
  bool aborted = co_await join.aborted();
  BOOST_TEST(aborted);
}

CO_TEST(destructor_completes_putters_with_operation_aborted) {
  auto q = std::make_unique<queue<int>>(1);
  q->put_nowait(1);
  auto putter = co_await beside(q->put(2));
  auto timed = co_await beside(q->put(3, 1h));
  co_await breathe();
  q.reset();
  bool aborted = co_await putter.aborted();
  BOOST_TEST(aborted);
  aborted = co_await timed.aborted();
  BOOST_TEST(aborted);
}

CO_TEST(moving_keeps_items_and_waiters) {
  queue<int> q;
  auto getter = co_await beside(q.get());
  co_await breathe();
  queue<int> moved = std::move(q);
  moved.put_nowait(1);
  moved.put_nowait(2);
  int got = co_await getter.result();
  BOOST_TEST(got == 1);
  queue<int> target;
  auto aborted_getter = co_await beside(target.get());
  co_await breathe();
  target = std::move(moved);
  BOOST_TEST(target.get_nowait() == 2);
  bool aborted = co_await aborted_getter.aborted();
  BOOST_TEST(aborted);
  BOOST_CHECK_THROW((void)moved.qsize(), std::logic_error);
  BOOST_CHECK_THROW((void)moved.get(), std::logic_error);
  BOOST_CHECK_THROW(moved.put_nowait(1), std::logic_error);
}

CO_TEST(coroutines_may_have_executors_of_their_own) {
  queue<int> q(1);
  auto executor = co_await this_executor();
  std::vector<pending<int>> getters;
  for (int i = 0; i != 4; ++i) {
    getters.push_back(pending<int>(asio::make_strand(executor), q.get()));
    co_await breathe();
  }
  getters[0].cancel();
  co_await q.put(1);
  getters[1].cancel(); // on its way already
  for (int i = 2; i != 4; ++i) co_await q.put(i);
  int sum = 0;
  for (int i = 1; i != 4; ++i) {
    bool aborted = co_await getters[std::size_t(i)].aborted();
    if (!aborted) sum += co_await getters[std::size_t(i)].result();
  }
  while (auto left = q.try_get()) sum += *left;
  BOOST_TEST(sum == 6);
  check_counters(q, 0);
}

CO_TEST(get_nowait_between_executors_leaves_the_waiter_in_its_place) {
  queue<int> q;
  auto executor = co_await this_executor();
  q.put_nowait(0);
  (void)co_await q.get(); // home is this executor
  pending<int> first(asio::make_strand(executor), q.get());
  co_await breathe();
  pending<int> second(asio::make_strand(executor), q.get(1h));
  co_await breathe();
  q.put_nowait(1);
  co_await asio::post(asio::use_awaitable);
  (void)q.try_get();
  q.put_nowait(2);
  q.put_nowait(3);
  int a = co_await first.result();
  int b = co_await second.result();
  BOOST_TEST(a < b);
}

asio::awaitable<void> get_one(queue<int>& q) { (void)co_await q.get(); }
asio::awaitable<void> put_one(queue<int>& q) { co_await q.put(1); }

std::exception_ptr run_on(asio::io_context& loop, asio::awaitable<void> body) {
  std::exception_ptr result;
  asio::co_spawn(loop, std::move(body), [&](std::exception_ptr e) { result = e; });
  loop.run();
  loop.restart();
  return result;
}

BOOST_AUTO_TEST_CASE(another_context_is_a_logic_error) {
  for (auto first_operation : {put_one, get_one}) {
    queue<int> q;
    q.put_nowait(1);
    q.put_nowait(2);
    asio::io_context first, second;
    BOOST_TEST(!run_on(first, first_operation(q)));
    for (auto operation : {put_one, get_one}) {
      std::exception_ptr error = run_on(second, operation(q));
      BOOST_REQUIRE(error);
      BOOST_CHECK_THROW(std::rethrow_exception(error), std::logic_error);
    }
    BOOST_TEST(!run_on(first, put_one(q)));
    while (q.try_get()) {
    }
    std::exception_ptr error = run_on(second, get_one(q)); // one that has to wait
    BOOST_REQUIRE(error);
    BOOST_CHECK_THROW(std::rethrow_exception(error), std::logic_error);
  }
}

BOOST_AUTO_TEST_CASE(outlives_its_context) {
  queue<int> q(1);
  {
    asio::io_context loop;
    auto expect_nothing = [](std::exception_ptr) { BOOST_ERROR("completed"); };
    asio::co_spawn(loop, get_one(q), expect_nothing);
    loop.poll();
    BOOST_TEST(!loop.stopped(), "a waiter counts as work");
  }
  q.put_nowait(1);
  BOOST_TEST(q.get_nowait() == 1);
  for (auto operation : {put_one, get_one}) {
    asio::io_context second;
    std::exception_ptr error = run_on(second, operation(q));
    BOOST_REQUIRE(error);
    BOOST_CHECK_THROW(std::rethrow_exception(error), std::logic_error);
  }
  check_counters(q, 0);
}

BOOST_AUTO_TEST_CASE(item_stays_when_the_coroutine_that_was_to_get_it_is_destroyed) {
  queue<int> q(2);
  auto loop = std::make_unique<asio::io_context>();
  auto expect_nothing = [](std::exception_ptr) { BOOST_ERROR("completed"); };
  asio::co_spawn(*loop, get_one(q), expect_nothing);
  asio::co_spawn(asio::make_strand(*loop), get_one(q), expect_nothing);
  loop->poll();
  q.put_nowait(1);
  q.put_nowait(2);
  loop.reset();
  BOOST_TEST(q.get_nowait() == 1);
  BOOST_TEST(q.get_nowait() == 2);
}

BOOST_AUTO_TEST_CASE(signal_may_outlive_the_waiter_and_the_waiter_the_signal) {
  queue<int> q;
  asio::cancellation_signal longer;
  {
    asio::io_context loop;
    auto shorter = std::make_unique<asio::cancellation_signal>();
    auto nothing = [](std::exception_ptr) {};
    asio::co_spawn(loop, get_one(q), asio::bind_cancellation_slot(longer.slot(), nothing));
    asio::co_spawn(loop, get_one(q), asio::bind_cancellation_slot(shorter->slot(), nothing));
    loop.poll();
    shorter.reset();
    q.put_nowait(1);
    loop.poll();
    BOOST_TEST(q.empty());
  }
  longer.emit(asio::cancellation_type::terminal);
}

BOOST_AUTO_TEST_CASE(completion_handler_that_throws_keeps_the_others_going) {
  queue<int> q;
  asio::io_context loop;
  int completed = 0;
  for (int i = 0; i != 3; ++i)
    asio::co_spawn(loop, get_one(q), [&completed](std::exception_ptr) {
      if (++completed == 1) throw std::domain_error("from the handler");
    });
  loop.poll();
  for (int i = 0; i != 3; ++i) q.put_nowait(i);
  BOOST_CHECK_THROW(loop.run(), std::domain_error);
  loop.run();
  BOOST_TEST(completed == 3);
}

BOOST_AUTO_TEST_CASE(queues_of_several_threads_do_not_disturb_each_other) {
  std::vector<std::thread> threads;
  std::vector<int> sums(4);
  for (int t = 0; t != 4; ++t)
    threads.emplace_back([&sums, t] {
      queue<int> q(2);
      asio::io_context loop(1);
      auto produce = [&q]() -> asio::awaitable<void> {
        for (int i = 0; i != 1000; ++i) co_await q.put(i);
      };
      auto consume = [&q, &sums, t]() -> asio::awaitable<void> {
        for (int i = 0; i != 1000; ++i) sums[std::size_t(t)] += co_await q.get();
      };
      asio::co_spawn(loop, produce(), [](std::exception_ptr) {});
      asio::co_spawn(loop, consume(), [](std::exception_ptr) {});
      loop.run();
    });
  for (auto& thread : threads) thread.join();
  for (int sum : sums) BOOST_TEST(sum == 499500);
}

BOOST_AUTO_TEST_CASE(one_strand_of_several_threads) {
  queue<int> q(2);
  asio::io_context loop;
  auto strand = asio::make_strand(loop);
  int sum = 0;
  auto produce = [&q]() -> asio::awaitable<void> {
    for (int i = 0; i != 2000; ++i) co_await q.put(i);
    q.close();
  };
  auto consume = [&q, &sum]() -> asio::awaitable<void> {
    try {
      for (;;) sum += co_await q.get(1h);
    } catch (const queue_closed&) {
    }
  };
  asio::co_spawn(strand, produce(), [](std::exception_ptr) {});
  for (int i = 0; i != 3; ++i) asio::co_spawn(strand, consume(), [](std::exception_ptr) {});
  std::vector<std::thread> threads;
  for (int i = 0; i != 3; ++i) threads.emplace_back([&loop] { loop.run(); });
  for (auto& thread : threads) thread.join();
  BOOST_TEST(sum == 1999000);
}

/// That the loop goes on while @p waits does, and ends by itself once @p release has been called.
void check_counts_as_work(const std::function<asio::awaitable<void>()>& waits,
                          const std::function<void()>& release) {
  asio::io_context context;
  bool done = false;
  auto note = [&](std::exception_ptr error) { done = !error; };
  asio::co_spawn(context, waits(), note);
  for (int i = 0; i != 10; ++i) context.poll();
  BOOST_TEST(!done);
  BOOST_TEST(!context.stopped());
  release();
  context.run_for(deadline());
  BOOST_TEST(done);
  BOOST_TEST(context.stopped());
}

BOOST_AUTO_TEST_CASE(waiter_counts_as_work) {
  queue<int> empty;
  const auto get = [&]() -> asio::awaitable<void> { co_await empty.get(); };
  check_counts_as_work(get, [&] { empty.put_nowait(1); });
  queue<int> full(1);
  full.put_nowait(1);
  const auto put = [&]() -> asio::awaitable<void> { co_await full.put(2); };
  check_counts_as_work(put, [&] { full.get_nowait(); });
  queue<int> undone;
  undone.put_nowait(1);
  const auto join = [&]() -> asio::awaitable<void> { co_await undone.join(); };
  check_counts_as_work(join, [&] { undone.task_done(); });
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

BOOST_AUTO_TEST_SUITE_END()
