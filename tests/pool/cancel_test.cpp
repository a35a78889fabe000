#include <coproc/pool.hpp>

#include "pool/targets.hpp"
#include "pool/until_completed.hpp"
#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/helper.hpp"
#include "support/leak_check.hpp"
#include "support/pending.hpp"
#include "support/process_info.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/this_coro.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <ranges>
#include <tuple>
#include <vector>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(pool_cancel)

namespace t = coproc::test::pool_targets;
using coproc::async_result;
using coproc::map_options;
using coproc::pool_options;
using t::announcements;

CO_TEST_ONCE(a_cancelled_apply_kills_its_worker) {
  coproc::pool workers(co_await this_executor(), 1);
  announcements started;
  auto call = co_await beside(workers.apply<t::announce_and_pause>(started));
  const int pid = co_await started.get();
  call.cancel();
  const bool aborted = co_await call.aborted();
  BOOST_TEST(aborted);
  BOOST_TEST(!alive(pid)); // it is complete when the task runs no more
  const int other = co_await workers.apply<t::own_pid>();
  BOOST_TEST(other != pid);
  BOOST_TEST(workers.stats().cancelled == 1u);
  BOOST_TEST(workers.stats().restarted == 1u);
}

CO_TEST_ONCE(a_cancelled_apply_that_is_queued_is_dropped) {
  coproc::pool workers(co_await this_executor(), 1);
  announcements started, go;
  auto running = workers.apply_async<t::announce_and_wait>(started, go);
  const int pid = co_await started.get();
  auto queued = co_await beside(workers.apply<t::count_calls>());
  co_await breathe();
  queued.cancel();
  const bool aborted = co_await queued.aborted();
  BOOST_TEST(aborted);
  BOOST_TEST(!running.ready());
  co_await go.put(1);
  co_await running.wait();
  const int calls = co_await workers.apply<t::count_calls>();
  BOOST_TEST(calls == 1); // the dropped one has not run
  const int same = co_await workers.apply<t::own_pid>();
  BOOST_TEST(same == pid);
}

CO_TEST_ONCE(an_async_result_is_cancelled) {
  coproc::pool workers(co_await this_executor(), 1);
  announcements started;
  auto running = workers.apply_async<t::announce_and_pause>(started);
  auto queued = workers.apply_async<t::square>(1);
  const int pid = co_await started.get();
  queued.cancel();
  BOOST_TEST(queued.ready());
  running.cancel();
  running.cancel(); // again
  for (auto wait : {1, 2}) {
    auto first = co_await thrown_by<std::system_error>([&] { return running.get(); });
    BOOST_TEST((first.code() == asio::error::operation_aborted));
    auto second =
        co_await thrown_by<std::system_error>([&] { return wait == 1 ? queued.get() : queued.get(1s); });
    BOOST_TEST((second.code() == asio::error::operation_aborted));
  }
  BOOST_TEST(!alive(pid));
}

CO_TEST_ONCE(cancelling_get_leaves_the_task) {
  coproc::pool workers(co_await this_executor(), 1);
  announcements started, go;
  auto task = workers.apply_async<t::announce_and_wait>(started, go);
  (void)co_await started.get();
  auto getting = co_await beside(task.get());
  co_await breathe();
  getting.cancel();
  const bool aborted = co_await getting.aborted();
  BOOST_TEST(aborted);
  BOOST_TEST(!task.ready());
  co_await go.put(5);
  const int five = co_await task.get();
  BOOST_TEST(five == 5);
}

CO_TEST_ONCE(cancelling_one_of_many_short_ones_harms_no_other) {
  coproc::pool workers(co_await this_executor(), 2);
  for (int round = 0; round != 20; ++round) {
    std::vector<async_result<int>> tasks;
    for (int i = 0; i != 200; ++i) tasks.push_back(workers.apply_async<t::square>(i));
    for (std::size_t i = 7; i < tasks.size(); i += 31) tasks[i].cancel();
    for (int i = 0; i != 200; ++i) {
      async_result<int>& task = tasks[std::size_t(i)];
      co_await task.wait();
      if (task.successful()) {
        const int got = co_await task.get();
        BOOST_TEST(got == i * i);
      } else {
        BOOST_TEST(i % 31 == 7);
      }
    }
  }
}

CO_TEST_ONCE(a_cancelled_map_kills_what_runs_and_drops_the_rest) {
  coproc::pool workers(co_await this_executor(), 2);
  announcements started;
  std::vector<announcements> items(10, started);
  auto mapping = co_await beside(workers.map<t::announce_and_pause>(items));
  const int first = co_await started.get();
  const int second = co_await started.get();
  mapping.cancel();
  const bool aborted = co_await mapping.aborted();
  BOOST_TEST(aborted);
  BOOST_TEST(!alive(first));
  BOOST_TEST(!alive(second));
  co_await workers.apply<t::nothing>();
  BOOST_TEST(started.empty());
}

// A map, too, is complete only when nothing of it runs, whatever its coroutine does when it is cancelled.

CO_TEST_ONCE(a_map_that_its_on_progress_cancels_kills_what_runs) {
  coproc::pool workers(co_await this_executor(), 2);
  for (std::size_t before : {100u, 127u}) { // every 128th result goes through the loop
    std::vector<int> times(before, 0);
    times.resize(before + 2, 1'000'000);
    std::optional<pending<std::vector<int>>> mapping;
    auto report = [&](coproc::progress now) {
      if (now.done() >= before) mapping->cancel();
    };
    mapping.emplace(co_await this_executor(),
                    workers.map<t::sleep_ms>(times, map_options().chunk_size(1).on_progress(report)));
    const bool aborted = co_await mapping->aborted();
    BOOST_TEST(aborted);
    BOOST_TEST(workers.stats().running == 0u);
    BOOST_TEST(workers.stats().queued == 0u);
  }
}

namespace {

/// Leaves behind whether its await would throw now, had it not been caught.
asio::awaitable<void> map_and_ask(coproc::pool& workers,
                                  std::vector<std::tuple<announcements, announcements>> items, bool& throws) {
  std::exception_ptr error;
  try {
    (void)co_await workers.starmap<t::announce_and_wait>(items);
  } catch (...) {
    error = std::current_exception();
  }
  throws = co_await asio::this_coro::throw_if_cancelled();
  if (error) std::rethrow_exception(error);
}

} // namespace

CO_TEST_ONCE(a_map_that_is_cancelled_when_it_has_a_result_and_has_not_resumed_kills_what_runs) {
  coproc::pool workers(co_await this_executor(), 2);
  announcements started, go;
  std::vector<std::tuple<announcements, announcements>> items(2, std::make_tuple(started, go));
  bool throws = false;
  auto mapping = co_await beside(map_and_ask(workers, items, throws));
  const int first = co_await started.get();
  const int second = co_await started.get();
  co_await go.put(1);
  co_await until_completed(workers, 1);
  BOOST_TEST_REQUIRE(!mapping.done());
  mapping.cancel();
  const bool aborted = co_await mapping.aborted();
  BOOST_TEST(aborted);
  BOOST_TEST(alive(first) + alive(second) == 1);
  BOOST_TEST(workers.stats().running == 0u);
  BOOST_TEST(throws); // as it was before
}

CO_TEST_ONCE(a_map_that_is_cancelled_when_all_is_done_gives_its_results) {
  coproc::pool workers(co_await this_executor(), 1);
  announcements go;
  auto mapping = co_await beside(workers.map<t::wait_for>(std::vector<announcements>(1, go)));
  co_await breathe();
  co_await go.put(7);
  co_await until_completed(workers, 1);
  mapping.cancel();
  const std::vector<int> got = co_await mapping.result();
  BOOST_TEST(got.at(0) == 7);
}

CO_TEST_ONCE(a_range_may_cancel_the_map_that_reads_it) {
  coproc::pool workers(co_await this_executor(), 1);
  std::optional<pending<std::vector<int>>> mapping;
  auto range = std::views::iota(0) | std::views::transform([&](int x) {
                 if (x == 2) mapping->cancel();
                 return 1'000'000;
               });
  mapping.emplace(co_await this_executor(), workers.map<t::sleep_ms>(range, map_options().chunk_size(1)));
  const bool aborted = co_await mapping->aborted();
  BOOST_TEST(aborted);
  BOOST_TEST(workers.stats().running == 0u);
  BOOST_TEST(workers.stats().queued == 0u);
}

CO_TEST_ONCE(cancelling_next_loses_no_result) {
  coproc::pool workers(co_await this_executor(), 1);
  auto items = workers.imap<t::sleep_ms>(std::vector<int>(5, 20));
  int got = 0;
  for (int i = 0; i != 30 && got != 5; ++i) {
    auto next = co_await beside(items.next());
    if (i % 2 == 0) {
      co_await breathe();
      next.cancel();
    }
    bool aborted = false;
    std::optional<int> ms;
    try {
      ms = co_await next.result();
    } catch (const std::system_error&) {
      aborted = true;
    }
    if (!aborted && ms) ++got;
  }
  BOOST_TEST(got == 5);
}

CO_TEST_ONCE(a_cancelled_program_is_stopped_and_gives_its_slot_back) {
  coproc::pool workers(co_await this_executor(), 1);
  auto program = co_await beside(workers.run(helper("pause")));
  auto queued = co_await beside(workers.run(helper("exit=0")));
  co_await breathe();
  program.cancel();
  const bool aborted = co_await program.aborted();
  BOOST_TEST(aborted);
  auto done = co_await queued.result();
  BOOST_TEST(done.status.success());
  auto running = workers.apply_async<t::sleep_ms>(50);
  auto dropped = co_await beside(workers.run(helper("exit=0")));
  co_await breathe();
  dropped.cancel();
  const bool dropped_too = co_await dropped.aborted();
  BOOST_TEST(dropped_too);
  co_await running.wait();
}

CO_TEST_ONCE(a_cancelled_join_changes_nothing) {
  coproc::pool workers(co_await this_executor(), 1);
  announcements started, go;
  auto task = workers.apply_async<t::announce_and_wait>(started, go);
  (void)co_await started.get();
  workers.close();
  auto joining = co_await beside(workers.join());
  co_await breathe();
  joining.cancel();
  const bool aborted = co_await joining.aborted();
  BOOST_TEST(aborted);
  co_await go.put(2);
  co_await workers.join();
  BOOST_TEST(task.successful());
}

BOOST_AUTO_TEST_CASE(an_idle_pool_does_not_keep_the_loop) {
  leak_check leaks;
  asio::io_context loop;
  coproc::pool workers(loop.get_executor(), 2);
  for (int i = 0; i != 2; ++i) {
    auto task = workers.apply_async<t::square>(3);
    loop.restart();
    loop.run(); // returns
    BOOST_TEST(task.successful());
  }
}

BOOST_AUTO_TEST_CASE(a_pool_outlives_its_context) {
  leak_check leaks;
  std::optional<asio::io_context> loop(std::in_place);
  coproc::pool workers(loop->get_executor(), 2);
  auto done = workers.apply_async<t::square>(3);
  loop->run();
  auto task = workers.apply_async<t::sleep_ms>(10'000);
  loop->poll();
  loop.reset();
  BOOST_TEST(done.successful());
  BOOST_TEST(task.ready());
  BOOST_TEST(!task.successful());
  BOOST_CHECK_THROW((void)workers.apply_async<t::square>(1), std::logic_error);
  BOOST_TEST(workers.stats().running == 0u);
  task.cancel();
  workers.close();
  workers.terminate();
  BOOST_TEST(workers.stats().queued == 0u);
}

BOOST_AUTO_TEST_CASE(another_context_is_a_logic_error) {
  leak_check leaks;
  asio::io_context first, second;
  coproc::pool workers(first.get_executor(), 1);
  std::exception_ptr error;
  asio::co_spawn(second, workers.apply<t::square>(1), [&](std::exception_ptr e, int) { error = e; });
  second.run();
  BOOST_REQUIRE(error);
  BOOST_CHECK_THROW(std::rethrow_exception(error), std::logic_error);
}

BOOST_AUTO_TEST_SUITE_END()
