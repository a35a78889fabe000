// A get, put or join that is cancelled: where the item is afterwards.
#include <coproc/queue.hpp>

#include "queue/operations.hpp"
#include "support/co_test.hpp"
#include "support/pending.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/this_coro.hpp>

#include <exception>
#include <memory>
#include <system_error>

using namespace coproc::test;

BOOST_AUTO_TEST_SUITE(queue_cancel)

using coproc::queue;

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

BOOST_AUTO_TEST_SUITE_END()
