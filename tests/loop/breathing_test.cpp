// A cancellation that comes while an operation lets the loop breathe, before it has begun: it begins no more,
// whatever the coroutine's own awaits do after a cancellation.
#include <coproc/pool.hpp>
#include <coproc/queue.hpp>
#include <coproc/run.hpp>
#include <coproc/select.hpp>
#include <coproc/semaphore.hpp>
#include <coproc/shared_queue.hpp>

#include "pool/targets.hpp"
#include "support/co_test.hpp"
#include "support/helper.hpp"
#include "support/pending.hpp"

#include <asio/post.hpp>
#include <asio/this_coro.hpp>

#include <cerrno>
#include <optional>
#include <utility>

#include <sys/wait.h>

using namespace coproc::test;

BOOST_AUTO_TEST_SUITE(breathing)

enum class caller { usual, deaf };
constexpr caller callers[] = {caller::usual, caller::deaf};
constexpr int two_breaths = 257;

/// With the caller's own awaits going on after a cancellation, say because it cleans up.
template <class T>
asio::awaitable<T> by(caller who, asio::awaitable<T> operation) {
  if (who == caller::deaf) co_await asio::this_coro::throw_if_cancelled(false);
  co_return co_await std::move(operation);
}

/// Starts @p operation, which runs at once to where it waits or breathes, and cancels it in the next turn of
/// the loop, before it has breathed; calls @p then at that moment. @returns whether it was aborted.
template <class T, class Function>
asio::awaitable<bool> cancelled_at_once(caller who, asio::awaitable<T> operation, Function then) {
  const asio::any_io_executor executor = co_await this_executor();
  std::optional<pending<T>> started;
  asio::post(executor, [&] { // comes before what the operation posts
    started->cancel();
    then();
  });
  started.emplace(executor, by(who, std::move(operation)));
  co_return co_await started->aborted();
}

bool has_children() {
  siginfo_t info;
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

CO_TEST_ONCE(run_is_complete_when_its_child_is_reaped) {
  for (caller who : callers)
    for (int i = 0; i != two_breaths; ++i) {
      coproc::command program = helper("pause");
      const bool aborted = co_await cancelled_at_once(who, coproc::run(std::move(program)), [] {});
      BOOST_REQUIRE(aborted);
      BOOST_REQUIRE(!has_children());
    }
}

CO_TEST_ONCE(get_takes_nothing) {
  for (caller who : callers) {
    coproc::queue<int> queue;
    for (int i = 0; i != two_breaths; ++i) {
      const bool aborted = co_await cancelled_at_once(who, queue.get(), [&] { queue.put_nowait(1); });
      BOOST_REQUIRE(aborted);
      BOOST_REQUIRE(queue.get_nowait() == 1);
    }
  }
}

CO_TEST_ONCE(select_takes_nothing) {
  for (caller who : callers) {
    coproc::queue<int> queue, other;
    for (int i = 0; i != two_breaths; ++i) {
      const bool aborted =
          co_await cancelled_at_once(who, coproc::select(queue, other), [&] { queue.put_nowait(1); });
      BOOST_REQUIRE(aborted);
      BOOST_REQUIRE(queue.get_nowait() == 1);
    }
  }
}

CO_TEST_ONCE(shared_get_takes_nothing) {
  for (caller who : callers) {
    coproc::shared_queue<int> queue;
    for (int i = 0; i != two_breaths; ++i) {
      const bool aborted = co_await cancelled_at_once(who, queue.get(), [&] { queue.put_nowait(1); });
      BOOST_REQUIRE(aborted);
      BOOST_REQUIRE(queue.get_nowait() == 1);
    }
  }
}

CO_TEST_ONCE(shared_put_adds_nothing) {
  for (caller who : callers) {
    coproc::shared_queue<int> queue(1);
    queue.put_nowait(1);
    for (int i = 0; i != two_breaths; ++i) {
      const bool aborted = co_await cancelled_at_once(who, queue.put(2), [&] { (void)queue.get_nowait(); });
      BOOST_REQUIRE(aborted);
      BOOST_REQUIRE(queue.qsize() == 0u);
      queue.put_nowait(1);
    }
  }
}

CO_TEST_ONCE(acquire_takes_no_permit) {
  for (caller who : callers) {
    coproc::semaphore semaphore(1);
    for (int i = 0; i != two_breaths; ++i) {
      std::optional<coproc::permit> held = semaphore.try_acquire();
      const bool aborted = co_await cancelled_at_once(who, semaphore.acquire(), [&] { held.reset(); });
      BOOST_REQUIRE(aborted);
      BOOST_REQUIRE(semaphore.available() == 1u);
    }
  }
}

/// One who cleans up after a cancellation that has come before.
asio::awaitable<int> clean_up(coproc::shared_queue<int>& queue) {
  co_await asio::this_coro::throw_if_cancelled(false);
  co_await breathe(); // in which it is cancelled
  co_return co_await queue.get();
}

CO_TEST_ONCE(what_begins_after_a_cancellation_is_not_cancelled) {
  coproc::shared_queue<int> queue;
  const asio::any_io_executor executor = co_await this_executor();
  std::optional<pending<int>> cleaner;
  asio::post(executor, [&] { cleaner->cancel(); });
  cleaner.emplace(executor, clean_up(queue));
  for (int i = 0; i != 100; ++i) co_await breathe(); // until it waits
  queue.put_nowait(7);
  const int got = co_await cleaner->result();
  BOOST_TEST(got == 7);
}

CO_TEST_ONCE(program_of_a_pool_does_not_begin_once_it_is_its_turn) {
  for (caller who : callers) {
    coproc::pool workers(co_await this_executor(), 1);
    auto first = workers.apply_async<pool_targets::sleep_ms>(20);
    auto program = co_await beside(by(who, workers.run(helper("pause"))));
    co_await first.wait(); // its turn has come at this moment, and it learns of that in the next
    program.cancel();
    const bool aborted = co_await program.aborted();
    BOOST_TEST(aborted);
  }
}

BOOST_AUTO_TEST_SUITE_END()
