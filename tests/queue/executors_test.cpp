// Coroutines with executors of their own, other contexts, and threads.
#include <coproc/queue.hpp>

#include "queue/operations.hpp"
#include "support/co_test.hpp"
#include "support/pending.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/strand.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(queue_executors)

using coproc::queue;
using coproc::queue_closed;

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

BOOST_AUTO_TEST_SUITE_END()
