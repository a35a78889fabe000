// Threads and processes that wait for each other, with a loop or without.
#include <coproc/shared_queue.hpp>

#include "ipc/ring_support.hpp"
#include "ipc/shared_ring/sleepers.hpp"
#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/forked.hpp"
#include "support/leak_check.hpp"
#include "support/process_info.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <string>
#include <thread>
#include <utility>

#include <time.h>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(shared_queue_processes)

using coproc::queue_closed;
using coproc::queue_empty;
using coproc::queue_full;

BOOST_AUTO_TEST_CASE(blocking_forms_of_threads) {
  coproc::shared_queue<int> queue(3);
  auto copy = queue;
  std::thread producer([copy]() mutable {
    for (int i = 0; i != 1000; ++i) copy.blocking_put(i);
    copy.close();
  });
  int expected = 0;
  try {
    for (;; ++expected) BOOST_REQUIRE(queue.blocking_get() == expected);
  } catch (const queue_closed&) {
  }
  producer.join();
  BOOST_TEST(expected == 1000);
}

BOOST_AUTO_TEST_CASE(blocking_timeouts) {
  coproc::shared_queue<int> queue(1);
  const auto before = std::chrono::steady_clock::now();
  BOOST_CHECK_THROW(queue.blocking_get(20ms), queue_empty);
  BOOST_TEST((std::chrono::steady_clock::now() - before >= 20ms));
  queue.blocking_put(1, 0s);
  BOOST_CHECK_THROW(queue.blocking_put(2, 20ms), queue_full);
  BOOST_TEST(queue.blocking_get(1h) == 1);
}

asio::awaitable<void> echo(coproc::shared_queue<int> in, coproc::shared_queue<int> out) {
  for (;;) co_await out.put(2 * co_await in.get());
}

BOOST_AUTO_TEST_CASE(coroutines_of_two_processes) {
  leak_check nothing_left;
  coproc::shared_queue<int> there, back(1);
  forked child([=] {
    asio::io_context loop;
    asio::co_spawn(loop, echo(there, back), [](std::exception_ptr) {});
    loop.run();
  });
  asio::io_context loop;
  int sum = 0;
  auto talk = [&]() -> asio::awaitable<void> {
    for (int i = 1; i <= 100; ++i) {
      co_await there.put(i);
      sum += co_await back.get();
    }
    there.close();
  };
  asio::co_spawn(loop, talk(), [](std::exception_ptr e) { BOOST_TEST(!e); });
  loop.run_for(deadline());
  BOOST_TEST(sum == 10100);
  BOOST_TEST(child.ended_well());
}

BOOST_AUTO_TEST_CASE(blocking_and_awaiting_processes_wake_each_other) {
  coproc::shared_queue<int> there(1), back(1);
  forked child([=]() mutable {
    for (int i = 0; i != 200; ++i) back.blocking_put(there.blocking_get() + 1);
  });
  asio::io_context loop;
  auto talk = [&]() -> asio::awaitable<void> {
    for (int i = 0; i != 200; ++i) {
      co_await there.put(i);
      int got = co_await back.get();
      BOOST_TEST(got == i + 1);
    }
  };
  asio::co_spawn(loop, talk(), [](std::exception_ptr e) { BOOST_TEST(!e); });
  loop.run_for(deadline());
  BOOST_TEST(child.ended_well());
}

std::chrono::nanoseconds time_of_processor() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

BOOST_AUTO_TEST_CASE(idle_consumer_burns_no_processor_time) {
  constexpr auto patience = 400ms, most = 100ms;
  coproc::shared_queue<int> queue;
  auto before = time_of_processor();
  BOOST_CHECK_THROW(queue.blocking_get(patience), queue_empty);
  BOOST_TEST((time_of_processor() - before < most));

  asio::io_context loop;
  bool timed_out = false;
  auto wait = [&]() -> asio::awaitable<void> {
    try {
      co_await queue.get(patience);
    } catch (const queue_empty&) {
      timed_out = true;
    }
  };
  asio::co_spawn(loop, wait(), [](std::exception_ptr e) { BOOST_TEST(!e); });
  before = time_of_processor();
  loop.run_for(deadline());
  BOOST_TEST(timed_out);
  BOOST_TEST((time_of_processor() - before < most));
}

coproc::detail::shared_ring ring_of(const coproc::shared_queue<int>& queue) {
  coproc::detail::message encoded;
  coproc::wire::encode(encoded, queue);
  coproc::detail::shared_ring::descriptors all;
  for (std::size_t i = 0; i != all.size(); ++i) all[i] = coproc::os::unique_fd(encoded.take(i));
  return coproc::detail::shared_ring(std::move(all));
}

BOOST_AUTO_TEST_CASE(lock_that_is_held_is_waited_for_a_little_and_named) {
  leak_check nothing_left;
  coproc::shared_queue<int> queue;
  queue.put_nowait(1);
  forked stopped([&] {
    stopping_sink sink;
    ring_of(queue).get(sink, never);
  });
  BOOST_TEST(soon([&] { return process_state_of(stopped.pid()) == 'T'; }));

  constexpr auto patience = coproc::detail::shared_ring::patience;
  auto before = std::chrono::steady_clock::now();
  CHECK_CONTAINS(message_of<queue_empty>([&] { queue.blocking_get(0s); }), "locked");
  BOOST_TEST((std::chrono::steady_clock::now() - before >= patience));

  asio::io_context loop;
  std::string why;
  auto get = [&]() -> asio::awaitable<void> {
    queue_empty error = co_await thrown_by<queue_empty>(queue.get(0s));
    why = error.what();
  };
  asio::co_spawn(loop, get(), [](std::exception_ptr e) { BOOST_TEST(!e); });
  before = std::chrono::steady_clock::now();
  loop.run_for(deadline());
  BOOST_TEST((std::chrono::steady_clock::now() - before >= patience));
  CHECK_CONTAINS(why, "locked");

  queue.put_nowait(2); // the other side is free
  stopped.kill();
  BOOST_TEST(queue.blocking_get(0s) == 1);
  BOOST_TEST(queue.blocking_get(0s) == 2);
  CHECK_CONTAINS(message_of<queue_empty>([&] { queue.blocking_get(0s); }), "no item");
}

BOOST_AUTO_TEST_SUITE_END()
