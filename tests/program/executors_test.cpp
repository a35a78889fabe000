// The ways to get at a coroutine's result, and the kinds of loops to run it on.
#include <coproc/run.hpp>

#include <coproc/check_output.hpp>
#include <coproc/spawn.hpp>

#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/helper.hpp"
#include "support/leak_check.hpp"
#include "support/pending.hpp"

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>
#include <asio/system_executor.hpp>
#include <asio/this_coro.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(executors)

using coproc::stdio;
using namespace asio::experimental::awaitable_operators;

BOOST_AUTO_TEST_CASE(callback_gets_the_result) {
  leak_check nothing_left;
  asio::io_context loop;
  std::string out;
  asio::co_spawn(loop, coproc::check_output(helper("out=text")),
                 [&](std::exception_ptr error, std::string text) {
                   BOOST_TEST(!error);
                   out = std::move(text);
                 });
  loop.run_for(deadline());
  BOOST_TEST(out == "text");
}

BOOST_AUTO_TEST_CASE(callback_gets_the_error) {
  leak_check nothing_left;
  asio::io_context loop;
  std::exception_ptr error;
  asio::co_spawn(loop, coproc::run(coproc::command("/no/such/program")),
                 [&](std::exception_ptr e, coproc::completed) { error = e; });
  loop.run_for(deadline());
  BOOST_REQUIRE(error);
  BOOST_CHECK_THROW(std::rethrow_exception(error), std::system_error);
}

BOOST_AUTO_TEST_CASE(future_gets_the_result_of_a_loop_in_another_thread) {
  // Asio completes futures through its system_executor, whose threads stay.
  asio::post(asio::system_executor(), asio::use_future).get();
  leak_check nothing_left;
  asio::io_context loop;
  auto work = asio::make_work_guard(loop);
  std::thread thread([&] { loop.run(); });
  std::future<coproc::completed> result =
      asio::co_spawn(loop, coproc::run(helper("out=text", "exit=3")), asio::use_future);
  std::future<coproc::completed> failure =
      asio::co_spawn(loop, coproc::run(coproc::command("/no/such/program")), asio::use_future);
  BOOST_TEST(result.get().out == "text");
  BOOST_CHECK_THROW(failure.get(), std::system_error);
  work.reset();
  thread.join();
}

/// Counts to three in a timer's time, beside the test.
asio::awaitable<void> tick_three_times(std::shared_ptr<int> ticks) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  for (*ticks = 0; *ticks != 3; ++*ticks) {
    timer.expires_after(1ms);
    co_await timer.async_wait(asio::use_awaitable);
  }
}

CO_TEST(loop_breathes_during_endless_immediate_reads) {
  auto c = helper("flood=0").in(stdio::null()).out(stdio::pipe());
  auto endless = co_await coproc::spawn(std::move(c));
  auto ticks = std::make_shared<int>(0);
  auto ticking = co_await beside(tick_three_times(ticks));
  char one[1];
  while (*ticks != 3) co_await endless.out().read_some(asio::buffer(one));
}

CO_TEST(loop_breathes_during_endless_waits_for_the_dead) {
  auto c = co_await coproc::spawn(helper("exit=0"));
  co_await c.wait();
  auto ticks = std::make_shared<int>(0);
  auto ticking = co_await beside(tick_three_times(ticks));
  while (*ticks != 3) co_await c.wait();
  co_await ticking.result();
  auto again = co_await beside(tick_three_times(ticks));
  while (*ticks != 3) co_await c.wait(0s);
}

CO_TEST(loop_breathes_during_endless_lines_at_the_end) {
  auto c = co_await coproc::spawn(helper("exit=0").out(stdio::pipe()));
  auto ticks = std::make_shared<int>(0);
  auto ticking = co_await beside(tick_three_times(ticks));
  while (*ticks != 3) {
    auto line = co_await c.out().read_line();
    BOOST_TEST(!line);
  }
}

CO_TEST(loop_breathes_during_endless_writes) {
  auto c = co_await coproc::spawn(helper("eof").in(stdio::pipe()));
  auto ticks = std::make_shared<int>(0);
  auto ticking = co_await beside(tick_three_times(ticks));
  while (*ticks != 3) co_await c.in().write("x");
}

CO_TEST(awaitable_operators_compose) {
  auto both = co_await (coproc::run(helper("out=a")) && coproc::run(helper("out=b")));
  BOOST_TEST(std::get<0>(both).out == "a");
  BOOST_TEST(std::get<1>(both).out == "b");
  auto first = co_await (coproc::run(helper("out=quick")) || coproc::run(helper("pause")));
  BOOST_REQUIRE(first.index() == 0u);
  BOOST_TEST(std::get<0>(first).out == "quick");
}

asio::awaitable<void> run_some(std::atomic<int>& good, int count) {
  for (int i = 0; i != count; ++i) {
    auto c = helper("cat-both", "exit=3").input(std::string(100'000, 'x'));
    auto result = co_await coproc::run(std::move(c));
    if (result.out.size() == 100'000 && result.err.size() == 100'000 && result.status.code() == 3) ++good;
    auto piped = helper("lines=100").out(stdio::pipe()).in(stdio::null());
    auto lines = co_await coproc::spawn(std::move(piped));
    int seen = 0;
    while (auto line = co_await lines.out().read_line()) ++seen;
    auto status = co_await lines.wait();
    if (seen == 100 && status.success()) ++good;
    auto dropped = co_await coproc::spawn(helper("pause").in(stdio::null()));
  }
}

BOOST_AUTO_TEST_CASE(loop_run_by_four_threads) {
  leak_check nothing_left;
  std::atomic<int> good{0};
  {
    asio::io_context loop;
    for (int i = 0; i != 8; ++i) asio::co_spawn(asio::make_strand(loop), run_some(good, 5), asio::detached);
    std::vector<std::thread> threads;
    for (int i = 0; i != 4; ++i) threads.emplace_back([&] { loop.run_for(deadline()); });
    for (auto& thread : threads) thread.join();
    BOOST_TEST(loop.stopped());
  }
  BOOST_TEST(good == 80);
}

BOOST_AUTO_TEST_CASE(loop_run_by_four_threads_without_a_strand) {
  // A coroutine is a strand of its own: it does one thing after the other.
  leak_check nothing_left;
  std::atomic<int> good{0};
  {
    asio::io_context loop;
    for (int i = 0; i != 8; ++i) asio::co_spawn(loop, run_some(good, 5), asio::detached);
    std::vector<std::thread> threads;
    for (int i = 0; i != 4; ++i) threads.emplace_back([&] { loop.run_for(deadline()); });
    for (auto& thread : threads) thread.join();
  }
  BOOST_TEST(good == 80);
}

BOOST_AUTO_TEST_CASE(strand_on_one_thread) {
  leak_check nothing_left;
  std::atomic<int> good{0};
  asio::io_context loop;
  auto strand = asio::make_strand(loop);
  for (int i = 0; i != 3; ++i) asio::co_spawn(strand, run_some(good, 3), asio::detached);
  loop.run_for(deadline());
  BOOST_TEST(good == 18);
}

BOOST_AUTO_TEST_CASE(thread_pool_is_a_context_like_any) {
  leak_check nothing_left;
  std::atomic<int> good{0};
  {
    asio::thread_pool pool(3);
    std::vector<std::future<void>> all;
    for (int i = 0; i != 6; ++i)
      all.push_back(asio::co_spawn(asio::make_strand(pool), run_some(good, 4), asio::use_future));
    for (auto& one : all) one.get();
    pool.join();
  }
  BOOST_TEST(good == 48);
}

BOOST_AUTO_TEST_CASE(thread_pool_destroyed_with_children_alive) {
  leak_check nothing_left;
  for (int i = 0; i != 10; ++i) {
    asio::thread_pool pool(2);
    for (int j = 0; j != 4; ++j) asio::co_spawn(pool, coproc::run(helper("pause")), asio::detached);
    auto one = asio::co_spawn(pool, coproc::run(helper("exit=0")), asio::use_future);
    one.get();
    pool.stop();
  }
}

BOOST_AUTO_TEST_CASE(cancellation_from_another_thread) {
  leak_check nothing_left;
  asio::io_context loop;
  auto work = asio::make_work_guard(loop);
  std::thread thread([&] { loop.run(); });
  for (int i = 0; i != 20; ++i) {
    auto strand = asio::make_strand(loop);
    asio::cancellation_signal cancel;
    std::promise<std::exception_ptr> end;
    asio::co_spawn(
        strand, coproc::run(helper("pause")),
        asio::bind_cancellation_slot(
            cancel.slot(), [&](std::exception_ptr error, coproc::completed) { end.set_value(error); }));
    asio::post(strand, [&] { cancel.emit(asio::cancellation_type::terminal); });
    auto error = end.get_future().get();
    BOOST_REQUIRE(error);
    BOOST_CHECK_THROW(std::rethrow_exception(error), std::system_error);
    std::promise<void> gone; // the signal lives until its handlers are
    asio::post(strand, [&] { gone.set_value(); });
    gone.get_future().get();
  }
  work.reset();
  thread.join();
}

asio::awaitable<void> catch_and_go_on(coproc::child& c, bool& went_on) {
  co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
  co_await asio::this_coro::throw_if_cancelled(false);
  try {
    co_await c.wait();
  } catch (const std::system_error& e) {
    BOOST_TEST((e.code() == asio::error::operation_aborted));
  }
  // Still cancelled, as the caller's own state says, and still of the caller's kind:
  auto state = co_await asio::this_coro::cancellation_state;
  BOOST_TEST((state.cancelled() != asio::cancellation_type::none));
  bool throws = co_await asio::this_coro::throw_if_cancelled();
  BOOST_TEST(!throws);
  went_on = true;
}

CO_TEST_ONCE(cancellation_does_not_alter_the_callers_state) {
  auto c = co_await coproc::spawn(helper("pause").in(stdio::null()));
  bool went_on = false;
  auto op = co_await beside(catch_and_go_on(c, went_on));
  co_await breathe();
  op.cancel();
  co_await op.result();
  BOOST_TEST(went_on);
}

BOOST_AUTO_TEST_SUITE_END()
