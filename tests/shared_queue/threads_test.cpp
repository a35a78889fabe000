// A loop that several threads run: what wakes a coroutine comes on any of them.
#include <coproc/shared_queue.hpp>

#include "support/co_test.hpp"
#include "support/leak_check.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/strand.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <future>
#include <thread>
#include <utility>
#include <vector>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(shared_queue_threads)

using coproc::queue_empty;

asio::awaitable<void> get_often(coproc::shared_queue<int>& queue, int times, std::atomic<std::size_t>& got) {
  for (int i = 0; i != times; ++i) {
    try {
      co_await queue.get(50us);
      ++got;
    } catch (const queue_empty&) {
    }
  }
}

/// Waits by @p queue on a strand that it is not used on again.
void use_on_a_strand(asio::io_context& loop, const asio::any_io_executor& strand,
                     coproc::shared_queue<int>& queue) {
  std::atomic<std::size_t> got = 0;
  asio::co_spawn(strand, get_often(queue, 1, got), [](std::exception_ptr error) { BOOST_TEST(!error); });
  loop.run();
  loop.restart();
}

using handles = std::vector<coproc::shared_queue<int>>;

/// Gets by each handle of a queue, on an executor of its own, about as often as it gives up.
void check_getting(asio::io_context& loop, handles& all,
                   const std::function<asio::any_io_executor()>& executor) {
  std::atomic<std::size_t> left = all.size();
  std::atomic<std::size_t> got = 0;
  std::size_t put = 0;
  auto mine = all.front();
  std::thread producer([&] {
    for (; left != 0; ++put) {
      mine.blocking_put(1);
      std::this_thread::sleep_for(20us);
    }
  });
  std::atomic<int> failed = 0; // what Boost.Test offers is for one thread at a time
  auto finish = [&](std::exception_ptr error) {
    if (error) ++failed;
    --left;
  };
  for (auto& queue : all) asio::co_spawn(executor(), get_often(queue, sanitized ? 300 : 2000, got), finish);
  std::vector<std::thread> threads;
  for (int i = 0; i != 3; ++i) threads.emplace_back([&] { loop.run_for(deadline()); });
  for (auto& thread : threads) thread.join();
  BOOST_TEST(left.exchange(0) == 0u, "some were not woken");
  producer.join();
  BOOST_TEST(failed == 0);
  BOOST_TEST(got + mine.qsize() == put);
}

BOOST_AUTO_TEST_CASE(one_coroutine_on_any_thread) {
  leak_check nothing_left;
  asio::io_context loop;
  handles all(6, coproc::shared_queue<int>());
  check_getting(loop, all, [&] { return loop.get_executor(); });
}

BOOST_AUTO_TEST_CASE(one_strand_after_another) {
  leak_check nothing_left;
  asio::io_context loop;
  handles all(6, coproc::shared_queue<int>());
  for (auto& queue : all) use_on_a_strand(loop, asio::make_strand(loop), queue);
  check_getting(loop, all, [&] { return asio::make_strand(loop); });
}

BOOST_AUTO_TEST_CASE(a_waiter_does_not_depend_on_the_strand_that_waited_before) {
  leak_check nothing_left;
  asio::io_context loop;
  coproc::shared_queue<int> queue;
  const auto first = asio::make_strand(loop);
  use_on_a_strand(loop, first, queue);

  std::promise<void> taken, release;
  asio::post(first, [&] {
    taken.set_value();
    release.get_future().wait();
  });
  std::thread elsewhere([&] { loop.run(); });
  taken.get_future().wait();
  std::atomic<bool> done = false;
  auto mine = queue;
  auto get = [&]() -> asio::awaitable<void> { co_await queue.get(); };
  asio::co_spawn(asio::make_strand(loop), get(), [&](std::exception_ptr error) { done = !error; });
  for (int i = 0; i != 100; ++i) loop.poll(); // so that it waits for the event
  mine.put_nowait(1);
  const auto end = std::chrono::steady_clock::now() + deadline();
  while (!done && std::chrono::steady_clock::now() < end) loop.run_one_for(10ms);
  BOOST_TEST(done);
  release.set_value();
  elsewhere.join();
}

asio::awaitable<void> wait_in(coproc::shared_queue<int> queue) { co_await queue.get(); }

BOOST_AUTO_TEST_CASE(a_waiter_that_owns_its_handle_goes_with_the_context) {
  leak_check nothing_left;
  asio::io_context loop;
  asio::co_spawn(loop, wait_in({}), [](std::exception_ptr) { BOOST_ERROR("completed"); });
  for (int i = 0; i != 100; ++i) loop.poll();
  BOOST_TEST(!loop.stopped());
}

BOOST_AUTO_TEST_SUITE_END()
