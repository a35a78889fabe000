#include <coproc/shared_queue.hpp>

#include "shared_queue/across.hpp"
#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/fault.hpp"
#include "support/leak_check.hpp"
#include "support/loops.hpp"
#include "support/pending.hpp"

#include <asio/co_spawn.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(shared_queue)

using coproc::queue_closed;
using coproc::queue_empty;
using coproc::queue_full;

CO_TEST(what_is_put_is_got_in_order) {
  coproc::shared_queue<int> queue;
  for (int i = 0; i != 5; ++i) co_await queue.put(i);
  BOOST_TEST(queue.qsize() == 5u);
  for (int i = 0; i != 5; ++i) {
    int got = co_await queue.get();
    BOOST_TEST(got == i);
  }
  BOOST_TEST(queue.empty());
}

struct constants {
  const int a;
  const int b;
};

CO_TEST(vectors_of_elements_with_const_fields_cross) {
  coproc::shared_queue<std::vector<constants>> queue;
  std::vector<constants> two;
  two.push_back({1, 2});
  two.push_back({3, 4});
  co_await queue.put(two);
  const std::vector<constants> got = co_await queue.get();
  BOOST_REQUIRE(got.size() == 2u);
  BOOST_TEST(got[1].b == 4);
}

CO_TEST(get_waits_for_a_put) {
  coproc::shared_queue<std::string> queue;
  auto getter = co_await beside(queue.get());
  co_await breathe();
  BOOST_TEST(!getter.done());
  co_await queue.put("text");
  std::string got = co_await getter.result();
  BOOST_TEST(got == "text");
}

CO_TEST(put_waits_for_room) {
  coproc::shared_queue<int> queue(2);
  co_await queue.put(1);
  co_await queue.put(2);
  BOOST_TEST(queue.full());
  auto putter = co_await beside(queue.put(3));
  co_await breathe();
  BOOST_TEST(!putter.done());
  int got = co_await queue.get();
  BOOST_TEST(got == 1);
  co_await putter.result();
  BOOST_TEST(queue.qsize() == 2u);
}

struct counts_its_encodings {
  int* count = nullptr;

  template <class Archive>
  void save(Archive& archive) const {
    ++*count;
    archive(std::string(100, 'x'));
  }
  template <class Archive>
  void load(Archive& archive) {
    std::string skipped;
    archive(skipped);
  }
};

CO_TEST(an_item_that_waits_for_room_is_encoded_once) {
  coproc::shared_queue<counts_its_encodings> queue(1);
  int first = 0, second = 0;
  co_await queue.emplace(&first);
  auto putter = co_await beside(queue.emplace(&second));
  for (int i = 0; i != 40; ++i) co_await breathe();
  BOOST_TEST(!putter.done());
  co_await queue.get();
  co_await putter.result();
  BOOST_TEST(first == 1);
  BOOST_TEST(second == 1);
}

CO_TEST(another_handle_wakes_a_waiter) {
  coproc::shared_queue<int> queue(1);
  auto other = across(queue);
  auto getter = co_await beside(queue.get());
  co_await breathe();
  other.put_nowait(1);
  int got = co_await getter.result();
  BOOST_TEST(got == 1);
  queue.put_nowait(2);
  auto putter = co_await beside(queue.put(3));
  co_await breathe();
  BOOST_TEST(!putter.done());
  got = other.get_nowait();
  BOOST_TEST(got == 2);
  co_await putter.result();
  got = other.get_nowait();
  BOOST_TEST(got == 3);
}

CO_TEST(two_handles_wait_on_one_loop) {
  coproc::shared_queue<int> queue;
  auto copy = queue;
  auto other = across(queue);
  auto first = co_await beside(queue.get());
  auto second = co_await beside(copy.get());
  auto third = co_await beside(other.get());
  co_await breathe();
  for (int i = 1; i <= 3; ++i) queue.put_nowait(i);
  int sum = co_await first.result();
  sum += co_await second.result();
  sum += co_await third.result();
  BOOST_TEST(sum == 6);
}

CO_TEST(first_come_first_served) {
  coproc::shared_queue<int> queue;
  std::vector<pending<int>> getters;
  for (int i = 0; i != 4; ++i) {
    getters.push_back(co_await beside(queue.get()));
    co_await breathe();
  }
  for (int i = 0; i != 4; ++i) {
    co_await queue.put(i);
    int got = co_await getters[std::size_t(i)].result();
    BOOST_TEST(got == i);
  }
}

/// Takes a number down when it has taken an item.
asio::awaitable<void> sign_in(coproc::shared_queue<int>& q, int number, std::vector<int>& order) {
  (void)co_await q.get();
  order.push_back(number);
}

CO_TEST_ONCE(gets_that_let_others_run_keep_their_place) {
  constexpr int many = 300;
  coproc::shared_queue<int> q(many);
  std::vector<int> order;
  std::vector<pending<void>> all;
  const asio::any_io_executor executor = co_await this_executor();
  for (int i = 0; i != many; ++i) all.emplace_back(executor, sign_in(q, i, order));
  co_await breathe();
  for (int i = 0; i != many; ++i) q.put_nowait(i);
  for (auto& one : all) co_await one.result();
  BOOST_TEST(order.size() == std::size_t(many));
  BOOST_TEST(std::is_sorted(order.begin(), order.end()));
}

CO_TEST(nowait_forms_throw_in_place_of_waiting) {
  coproc::shared_queue<int> queue(1);
  BOOST_CHECK_THROW(queue.get_nowait(), queue_empty);
  queue.put_nowait(1);
  BOOST_CHECK_THROW(queue.put_nowait(2), queue_full);
  BOOST_TEST(queue.get_nowait() == 1);
  co_return;
}

CO_TEST(timeouts) {
  coproc::shared_queue<int> queue(1);
  auto before = std::chrono::steady_clock::now();
  co_await thrown_by<queue_empty>(queue.get(20ms));
  BOOST_TEST((std::chrono::steady_clock::now() - before >= 20ms));
  co_await thrown_by<queue_empty>(queue.get(-1s));
  co_await queue.put(1, 0s);
  before = std::chrono::steady_clock::now();
  co_await thrown_by<queue_full>(queue.put(2, 20ms));
  BOOST_TEST((std::chrono::steady_clock::now() - before >= 20ms));
  int got = co_await queue.get(0s);
  BOOST_TEST(got == 1);
  BOOST_TEST(queue.empty());
}

CO_TEST(cancelled_get_takes_no_item) {
  coproc::shared_queue<int> queue;
  auto getter = co_await beside(queue.get());
  auto next = co_await beside(queue.get());
  co_await breathe();
  getter.cancel();
  bool aborted = co_await getter.aborted();
  BOOST_TEST(aborted);
  co_await queue.put(7);
  int got = co_await next.result();
  BOOST_TEST(got == 7);
}

CO_TEST(cancellation_after_the_wake_up_takes_no_item) {
  coproc::shared_queue<int> queue;
  for (int rounds = 0; rounds != 6; ++rounds) {
    auto getter = co_await beside(queue.get());
    co_await breathe();
    queue.put_nowait(7);
    for (int i = 0; i != rounds; ++i) co_await asio::post(asio::use_awaitable);
    getter.cancel();
    bool aborted = co_await getter.aborted();
    if (aborted) {
      int left = queue.get_nowait();
      BOOST_TEST(left == 7);
    } else {
      int got = co_await getter.result();
      BOOST_TEST(got == 7);
    }
    BOOST_TEST(queue.empty());
  }
}

CO_TEST(cancelled_put_adds_nothing) {
  coproc::shared_queue<int> queue(1);
  queue.put_nowait(1);
  auto putter = co_await beside(queue.put(2));
  co_await breathe();
  putter.cancel();
  bool aborted = co_await putter.aborted();
  BOOST_TEST(aborted);
  BOOST_TEST(queue.get_nowait() == 1);
  BOOST_TEST(queue.empty());
}

CO_TEST(close_fails_putters_at_once_and_getters_when_it_is_drained) {
  coproc::shared_queue<int> queue(1);
  auto other = across(queue);
  queue.put_nowait(1);
  auto putter = co_await beside(queue.put(2));
  co_await breathe();
  other.close();
  other.close(); // harmless
  co_await thrown_by<queue_closed>(putter.result());
  co_await thrown_by<queue_closed>(queue.put(3));
  BOOST_CHECK_THROW(queue.put_nowait(3), queue_closed);
  BOOST_CHECK_THROW(queue.blocking_put(3), queue_closed);
  BOOST_TEST(queue.get_nowait() == 1);
  co_await thrown_by<queue_closed>(queue.get());
  co_await thrown_by<queue_closed>(queue.get(1h));
  BOOST_CHECK_THROW(queue.get_nowait(), queue_closed);
  BOOST_CHECK_THROW(queue.blocking_get(), queue_closed);
}

CO_TEST(close_wakes_getters) {
  coproc::shared_queue<int> queue;
  auto other = across(queue);
  auto getter = co_await beside(queue.get());
  co_await breathe();
  other.close();
  co_await thrown_by<queue_closed>(getter.result());
}

CO_TEST(join_waits_for_task_done) {
  coproc::shared_queue<int> queue;
  auto other = across(queue);
  co_await queue.join(); // nothing to wait for
  queue.put_nowait(1);
  queue.put_nowait(2);
  auto joiner = co_await beside(queue.join());
  co_await breathe();
  BOOST_TEST(!joiner.done());
  BOOST_TEST(other.get_nowait() == 1);
  BOOST_TEST(other.get_nowait() == 2);
  other.task_done();
  co_await breathe();
  BOOST_TEST(!joiner.done());
  other.task_done();
  co_await joiner.result();
  queue.blocking_join();
  BOOST_CHECK_THROW(queue.task_done(), std::logic_error);
}

CO_TEST(destructor_completes_waiters_with_operation_aborted) {
  auto queue = std::make_unique<coproc::shared_queue<int>>(1);
  auto copy = *queue;
  auto getter = co_await beside(queue->get());
  auto survivor = co_await beside(copy.get());
  auto joiner = co_await beside(copy.join());
  co_await breathe();
  BOOST_TEST(!getter.done());
  queue.reset();
  bool aborted = co_await getter.aborted();
  BOOST_TEST(aborted);
  copy.put_nowait(3);
  int got = co_await survivor.result();
  BOOST_TEST(got == 3);
  co_await joiner.result();
}

CO_TEST(moving_keeps_waiters) {
  coproc::shared_queue<int> queue;
  auto getter = co_await beside(queue.get());
  co_await breathe();
  auto moved = std::move(queue);
  moved.put_nowait(4);
  int got = co_await getter.result();
  BOOST_TEST(got == 4);
  BOOST_CHECK_THROW(queue.qsize(), std::logic_error);
}

BOOST_AUTO_TEST_CASE(no_descriptor_and_no_memory_are_errors_that_say_so) {
  leak_check nothing_left;
  using call = coproc::os::call;
  for (auto which : {call::memfd_create, call::fallocate, call::mmap, call::eventfd}) {
    fault out(which, which == call::mmap || which == call::fallocate ? ENOMEM : EMFILE);
    try {
      coproc::shared_queue<int> queue;
      BOOST_ERROR("no exception");
    } catch (const std::system_error& e) {
      BOOST_TEST((e.code() == std::errc::not_enough_memory || e.code() == std::errc::too_many_files_open));
      CHECK_CONTAINS(e.what(), which == call::eventfd ? "shared queue" : "shared memory");
    }
    BOOST_TEST(out.hits() > 0u);
  }
}

asio::awaitable<void> get_once(coproc::shared_queue<int>& queue) { co_await queue.get(); }

BOOST_AUTO_TEST_CASE(another_context_is_a_logic_error) {
  coproc::shared_queue<int> queue;
  queue.put_nowait(1);
  queue.put_nowait(2);
  asio::io_context first;
  asio::co_spawn(first, get_once(queue), [](std::exception_ptr e) { BOOST_TEST(!e); });
  first.run();
  asio::io_context second;
  std::exception_ptr error;
  asio::co_spawn(second, get_once(queue), [&](std::exception_ptr e) { error = e; });
  second.run();
  BOOST_REQUIRE(error);
  BOOST_CHECK_THROW(std::rethrow_exception(error), std::logic_error);
  auto copy = queue; // has a context of its own
  second.restart();
  asio::co_spawn(second, get_once(copy), [](std::exception_ptr e) { BOOST_TEST(!e); });
  second.run();
}

asio::awaitable<void> put_once(coproc::shared_queue<int>& queue) { co_await queue.put(1); }
asio::awaitable<void> join_once(coproc::shared_queue<int>& queue) { co_await queue.join(); }

BOOST_AUTO_TEST_CASE(the_first_operation_decides_the_context_of_all_kinds) {
  for (auto* first : {&get_once, &put_once, &join_once})
    for (auto* next : {&get_once, &put_once, &join_once}) {
      coproc::shared_queue<int> queue;
      queue.put_nowait(1);
      BOOST_TEST(queue.get_nowait() == 1);
      queue.task_done();
      if (first == &get_once) queue.put_nowait(1);
      asio::io_context one, another;
      BOOST_TEST(!run_on(one, first(queue)));
      const std::exception_ptr error = run_on(another, next(queue));
      BOOST_REQUIRE(error);
      BOOST_CHECK_THROW(std::rethrow_exception(error), std::logic_error);
    }
}

BOOST_AUTO_TEST_CASE(destroying_the_context_destroys_its_waiters) {
  leak_check nothing_left;
  coproc::shared_queue<int> queue;
  {
    asio::io_context loop;
    for (int i = 0; i != 3; ++i)
      asio::co_spawn(loop, get_once(queue), [](std::exception_ptr) { BOOST_ERROR("completed"); });
    loop.poll();
    BOOST_TEST(!loop.stopped(), "a waiter counts as work");
  }
  queue.put_nowait(1);
  BOOST_TEST(queue.qsize() == 1u);
}

asio::awaitable<void> get_or_give_up(coproc::shared_queue<int>& queue, int& got) {
  using namespace asio::experimental::awaitable_operators;
  asio::steady_timer timer(co_await asio::this_coro::executor, 1ms);
  auto result = co_await (queue.get() || timer.async_wait(asio::use_awaitable));
  if (result.index() == 0) ++got;
}

CO_TEST_ONCE(a_race_with_a_timer_loses_nothing_that_was_not_got) {
  coproc::shared_queue<int> queue;
  int got = 0;
  for (int i = 0; i != 50; ++i) co_await get_or_give_up(queue, got);
  BOOST_TEST(got == 0);
  queue.put_nowait(1);
  co_await get_or_give_up(queue, got);
  BOOST_TEST(got == 1);
}

BOOST_AUTO_TEST_CASE(waiter_counts_as_work) {
  coproc::shared_queue<int> queue(1);
  asio::io_context loop;
  int got = 0;
  auto get = [&]() -> asio::awaitable<void> { got = co_await queue.get(); };
  asio::co_spawn(loop, get(), [](std::exception_ptr e) { BOOST_TEST(!e); });
  for (int i = 0; i != 100; ++i) loop.poll();
  BOOST_TEST(!loop.stopped());
  queue.put_nowait(4);
  loop.run_for(deadline());
  BOOST_TEST(got == 4);
  BOOST_TEST(loop.stopped());

  queue.put_nowait(5);
  loop.restart();
  auto put = [&]() -> asio::awaitable<void> { co_await queue.put(6); };
  asio::co_spawn(loop, put(), [](std::exception_ptr e) { BOOST_TEST(!e); });
  for (int i = 0; i != 100; ++i) loop.poll();
  BOOST_TEST(!loop.stopped());
  BOOST_TEST(queue.get_nowait() == 5);
  loop.run_for(deadline());
  BOOST_TEST(loop.stopped());
  BOOST_TEST(queue.get_nowait() == 6);
}

BOOST_AUTO_TEST_SUITE_END()
