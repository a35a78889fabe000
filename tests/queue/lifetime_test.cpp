// A queue, its loop, and those that wait, which end in any order.
#include <coproc/queue.hpp>
#include <coproc/select.hpp>

#include "queue/operations.hpp"
#include "support/co_test.hpp"
#include "support/pending.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/strand.hpp>

#include <chrono>
#include <exception>
#include <memory>
#include <stdexcept>
#include <utility>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(queue_lifetime)

using coproc::queue;

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

CO_TEST(operation_that_is_awaited_after_the_queue_is_aborted_even_if_it_must_not_wait) {
  auto q = std::make_unique<queue<int>>(1);
  auto get = q->get(0ms), later = q->get(1h);
  auto put = q->put(1, 0ms);
  auto either = coproc::select(0ms, *q);
  q.reset();
  auto getting = co_await beside(std::move(get)), waiting = co_await beside(std::move(later));
  for (auto* one : {&getting, &waiting}) {
    bool aborted = co_await one->aborted();
    BOOST_TEST(aborted);
  }
  auto putting = co_await beside(std::move(put));
  bool aborted = co_await putting.aborted();
  BOOST_TEST(aborted);
  auto selecting = co_await beside(std::move(either));
  aborted = co_await selecting.aborted();
  BOOST_TEST(aborted);
}

BOOST_AUTO_TEST_SUITE_END()
