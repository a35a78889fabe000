#include <coproc/semaphore.hpp>

#include "support/allocations.hpp"
#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/pending.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include <algorithm>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <vector>

using namespace coproc::test;

BOOST_AUTO_TEST_SUITE(semaphore)

using coproc::permit;

CO_TEST(permits_are_counted) {
  coproc::semaphore slots(2);
  BOOST_TEST(slots.available() == 2u);
  permit first = co_await slots.acquire();
  BOOST_TEST(bool(first));
  BOOST_TEST(slots.available() == 1u);
  permit second = co_await slots.acquire();
  BOOST_TEST(slots.available() == 0u);
  BOOST_TEST(!slots.try_acquire());
  first.release();
  BOOST_TEST(!first);
  BOOST_TEST(slots.available() == 1u);
  first.release(); // harmless
  BOOST_TEST(slots.available() == 1u);
  {
    auto third = slots.try_acquire();
    BOOST_TEST(third.has_value());
    BOOST_TEST(slots.available() == 0u);
  }
  BOOST_TEST(slots.available() == 1u);
}

CO_TEST(waits_until_a_permit_is_given_back) {
  coproc::semaphore slots(1);
  permit held = co_await slots.acquire();
  auto waiter = co_await beside(slots.acquire());
  co_await breathe();
  BOOST_TEST(!waiter.done());
  held.release();
  permit got = co_await waiter.result();
  BOOST_TEST(bool(got));
  BOOST_TEST(slots.available() == 0u);
}

CO_TEST(first_come_first_served) {
  coproc::semaphore slots(1);
  permit held = co_await slots.acquire();
  std::vector<pending<permit>> waiters;
  for (int i = 0; i != 5; ++i) {
    waiters.push_back(co_await beside(slots.acquire()));
    co_await breathe();
  }
  for (int i = 0; i != 5; ++i) {
    held.release();
    co_await breathe();
    for (int j = i + 1; j != 5; ++j) BOOST_TEST(!waiters[std::size_t(j)].done());
    held = co_await waiters[std::size_t(i)].result();
  }
}

CO_TEST(nobody_overtakes_a_waiter) {
  coproc::semaphore slots(1);
  permit held = co_await slots.acquire();
  auto waiter = co_await beside(slots.acquire());
  co_await breathe();
  held.release();
  // The permit is the waiter's from here on, though it has not run yet.
  BOOST_TEST(!slots.try_acquire());
  auto late = co_await beside(slots.acquire());
  permit got = co_await waiter.result();
  co_await breathe();
  BOOST_TEST(!late.done());
  got.release();
  permit last = co_await late.result();
  BOOST_TEST(bool(last));
}

CO_TEST(cancelled_acquire_holds_no_permit) {
  for (auto type : {asio::cancellation_type::terminal, asio::cancellation_type::partial,
                    asio::cancellation_type::total}) {
    coproc::semaphore slots(1);
    permit held = co_await slots.acquire();
    auto waiter = co_await beside(slots.acquire());
    auto next = co_await beside(slots.acquire());
    co_await breathe();
    waiter.cancel(type);
    if (type == asio::cancellation_type::terminal) { // co_spawn lets only this one through
      bool aborted = co_await waiter.aborted();
      BOOST_TEST(aborted);
    }
    waiter.cancel();
    held.release();
    permit got = co_await next.result();
    BOOST_TEST(bool(got));
    got.release();
    BOOST_TEST(slots.available() == 1u);
  }
}

CO_TEST(cancellation_as_the_permit_arrives_loses_none) {
  coproc::semaphore slots(1);
  permit held = co_await slots.acquire();
  auto waiter = co_await beside(slots.acquire());
  co_await breathe();
  held.release();
  waiter.cancel(); // after the release, before the waiter has resumed
  co_await breathe();
  BOOST_TEST(waiter.done());
  bool aborted = co_await waiter.aborted();
  if (!aborted) {
    permit got = co_await waiter.result();
    BOOST_TEST(bool(got));
  }
  BOOST_TEST(slots.available() == 1u);
}

CO_TEST(destructor_completes_waiters_with_operation_aborted) {
  auto slots = std::make_unique<coproc::semaphore>(0);
  auto waiter = co_await beside(slots->acquire());
  co_await breathe();
  BOOST_TEST(!waiter.done());
  slots.reset();
  bool aborted = co_await waiter.aborted();
  BOOST_TEST(aborted);
}

CO_TEST(destructor_aborts_those_that_have_yet_to_wait) {
  for (std::size_t permits : {0u, 1u}) {
    auto slots = std::make_unique<coproc::semaphore>(permits);
    auto late = slots->acquire();
    slots.reset();
    auto waiter = co_await beside(std::move(late));
    bool aborted = co_await waiter.aborted();
    BOOST_TEST(aborted);
  }
  coproc::semaphore slots(0);
  auto late = slots.acquire();
  slots = coproc::semaphore(1);
  auto waiter = co_await beside(std::move(late));
  bool aborted = co_await waiter.aborted();
  BOOST_TEST(aborted);
}

CO_TEST_ONCE(destructor_aborts_those_that_let_the_loop_breathe) {
  auto slots = std::make_unique<coproc::semaphore>(0);
  std::vector<pending<permit>> waiters;
  const asio::any_io_executor executor = co_await this_executor();
  for (int i = 0; i != 127; ++i) waiters.emplace_back(executor, slots->acquire());
  co_await breathe();
  asio::post(executor, [&] { slots.reset(); }); // comes before what the 128th one posts
  waiters.emplace_back(executor, slots->acquire());
  for (auto& waiter : waiters) {
    bool aborted = co_await waiter.aborted();
    BOOST_TEST(aborted);
  }
}

CO_TEST(permits_outlive_their_semaphore) {
  permit held;
  {
    coproc::semaphore slots(1);
    held = co_await slots.acquire();
  }
  BOOST_TEST(bool(held));
  held.release();
  BOOST_TEST(!held);
}

CO_TEST(moving_keeps_waiters) {
  coproc::semaphore slots(1);
  permit held = co_await slots.acquire();
  auto waiter = co_await beside(slots.acquire());
  co_await breathe();
  coproc::semaphore moved = std::move(slots);
  held.release();
  permit got = co_await waiter.result();
  BOOST_TEST(bool(got));
  BOOST_TEST(moved.available() == 0u);
}

CO_TEST(moving_a_permit_moves_its_unit) {
  coproc::semaphore slots(2);
  permit a = co_await slots.acquire();
  permit b = std::move(a);
  BOOST_TEST(!a);
  BOOST_TEST(bool(b));
  BOOST_TEST(slots.available() == 1u);
  permit c = co_await slots.acquire();
  b = std::move(c); // gives back what it had
  BOOST_TEST(slots.available() == 1u);
}

struct running_tasks {
  int now = 0;
  int most = 0;
};

asio::awaitable<void> take_and_give_back(coproc::semaphore& slots, std::shared_ptr<running_tasks> running) {
  permit slot = co_await slots.acquire();
  running->most = std::max(running->most, ++running->now);
  co_await breathe();
  --running->now;
}

CO_TEST(caps_how_many_run_at_once) {
  coproc::semaphore slots(3);
  auto running = std::make_shared<running_tasks>();
  std::vector<pending<void>> tasks;
  for (int i = 0; i != 20; ++i) tasks.push_back(co_await beside(take_and_give_back(slots, running)));
  for (auto& task : tasks) co_await task.result();
  BOOST_TEST(running->most == 3);
  BOOST_TEST(slots.available() == 3u);
}

asio::awaitable<void> acquire_once(coproc::semaphore& slots) { permit slot = co_await slots.acquire(); }

BOOST_AUTO_TEST_CASE(another_context_is_a_logic_error) {
  coproc::semaphore slots(1);
  asio::io_context first;
  asio::co_spawn(first, acquire_once(slots), [](std::exception_ptr e) { BOOST_TEST(!e); });
  first.run();
  asio::io_context second;
  std::exception_ptr error;
  asio::co_spawn(second, acquire_once(slots), [&](std::exception_ptr e) { error = e; });
  second.run();
  BOOST_REQUIRE(error);
  BOOST_CHECK_THROW(std::rethrow_exception(error), std::logic_error);
}

BOOST_AUTO_TEST_CASE(destroying_the_context_destroys_its_waiters) {
  coproc::semaphore slots(0);
  {
    asio::io_context loop;
    asio::co_spawn(loop, acquire_once(slots), [](std::exception_ptr) { BOOST_ERROR("completed"); });
    loop.poll();
    BOOST_TEST(!loop.stopped(), "a waiter counts as work");
  }
  BOOST_TEST(slots.available() == 0u);
}

/// Takes a number down when it has a permit.
asio::awaitable<void> sign_in(coproc::semaphore& slots, int number, std::shared_ptr<std::vector<int>> order) {
  permit slot = co_await slots.acquire();
  order->push_back(number);
}

CO_TEST_ONCE(those_that_wait_are_served_in_the_order_they_came) {
  constexpr int many = 300;
  coproc::semaphore slots(1);
  permit held = co_await slots.acquire();
  auto order = std::make_shared<std::vector<int>>();
  std::vector<pending<void>> all;
  const asio::any_io_executor executor = co_await this_executor();
  for (int i = 0; i != many; ++i) all.emplace_back(executor, sign_in(slots, i, order));
  held.release();
  for (auto& one : all) co_await one.result();
  BOOST_TEST(order->size() == std::size_t(many));
  BOOST_TEST(std::is_sorted(order->begin(), order->end()));
}

/// What acquire() came to when the nth request for memory failed, by which it began to wait.
BOOST_AUTO_TEST_CASE(acquire_that_finds_no_memory_to_wait_says_so) {
  if (!allocations_are_counted) return;
  bool struck = true;
  for (std::size_t nth = 1; struck; ++nth) {
    asio::io_context loop;
    coproc::semaphore slots(1);
    std::optional<permit> held = slots.try_acquire();
    std::exception_ptr error;
    bool ended = false;
    asio::cancellation_signal cancel;
    auto finish = [&](std::exception_ptr e) {
      ended = true;
      error = e;
    };
    asio::co_spawn(loop, acquire_once(slots), asio::bind_cancellation_slot(cancel.slot(), finish));
    {
      failing_allocation none(nth);
      try {
        loop.poll();
      } catch (const std::bad_alloc&) { // of the loop's
      }
      struck = none.struck();
    }
    held.reset();
    loop.restart();
    loop.run();
    BOOST_TEST(ended);
    if (error) BOOST_CHECK_THROW(std::rethrow_exception(error), std::bad_alloc);
    BOOST_TEST(slots.available() == 1u);
  }
}

BOOST_AUTO_TEST_SUITE_END()
