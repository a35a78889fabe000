// What becomes of tasks, programs and workers when a pool ends, at whatever moment that is.
#include <coproc/pool.hpp>

#include "pool/targets.hpp"
#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/helper.hpp"
#include "support/leak_check.hpp"
#include "support/pending.hpp"
#include "support/process_info.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/strand.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <exception>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include <signal.h>

using namespace coproc::test;

BOOST_AUTO_TEST_SUITE(pool_end)

namespace t = coproc::test::pool_targets;
using coproc::async_result;
using coproc::map_options;
using coproc::pool_options;
using t::announcements;

namespace {

/// A pool of one slot, in which a task runs; one more is queued, and an apply() waits to be let in.
/// Cancelling the queued one lets it in, but only when its coroutine goes on.
struct crowded {
  explicit crowded(asio::any_io_executor executor)
      : workers(std::make_unique<coproc::pool>(executor, pool_options().size(1).max_pending(1))),
        running(workers->apply_async<t::announce_and_wait>(started, go)),
        queued(workers->apply_async<t::square>(1)), third(executor, workers->apply<t::count_calls>()) {}

  announcements started, go;
  std::unique_ptr<coproc::pool> workers;
  async_result<int> running, queued;
  pending<int> third;
};

asio::awaitable<void> let_third_in(crowded& all) {
  (void)co_await all.started.get();
  co_await breathe();
  BOOST_TEST(!all.third.done());
  all.queued.cancel();
}

} // namespace

CO_TEST_ONCE(an_apply_that_was_just_let_in_ends_with_terminate) {
  crowded all(co_await this_executor());
  co_await let_third_in(all);
  all.workers->terminate();
  (void)co_await thrown_by<coproc::pool_terminated>(all.third.result());
  co_await all.workers->join();
}

CO_TEST_ONCE(an_apply_that_was_just_let_in_ends_with_the_destructor) {
  crowded all(co_await this_executor());
  co_await let_third_in(all);
  all.workers.reset();
  const bool aborted = co_await all.third.aborted();
  BOOST_TEST(aborted);
}

CO_TEST_ONCE(an_apply_that_was_just_let_in_can_be_cancelled) {
  crowded all(co_await this_executor());
  auto fourth = co_await beside(all.workers->apply<t::count_calls>());
  co_await let_third_in(all);
  all.third.cancel();
  const bool aborted = co_await all.third.aborted();
  BOOST_TEST(aborted);
  co_await breathe();
  BOOST_TEST(all.workers->stats().queued == 1u); // the fourth one has got the room
  co_await all.go.put(1);
  const int calls = co_await fourth.result();
  BOOST_TEST(calls == 1); // the third one has not run
}

CO_TEST_ONCE(an_apply_that_was_just_let_in_is_run_before_close_takes_effect) {
  crowded all(co_await this_executor());
  co_await let_third_in(all);
  all.workers->close();
  co_await all.go.put(1);
  co_await all.workers->join();
  BOOST_TEST(all.third.done());
  const int calls = co_await all.third.result();
  BOOST_TEST(calls == 1);
}

CO_TEST(the_destructor_aborts_programs) {
  auto workers = std::make_unique<coproc::pool>(co_await this_executor(), 1);
  auto running = co_await beside(workers->run(helper("pause")));
  auto queued = co_await beside(workers->run(helper("exit=0")));
  co_await breathe();
  workers.reset();
  const bool first = co_await running.aborted();
  const bool second = co_await queued.aborted();
  BOOST_TEST(first);
  BOOST_TEST(second);
}

CO_TEST_ONCE(programs_are_counted_by_how_they_end) {
  coproc::pool workers(co_await this_executor(), 1);
  (void)co_await workers.run(helper("exit=3")); // it ran, and gave its status
  (void)co_await thrown_by<std::system_error>(workers.run(coproc::command("/no/such/program")));
  auto program = co_await beside(workers.run(helper("pause")));
  co_await breathe();
  BOOST_TEST(workers.stats().running == 1u);
  program.cancel();
  (void)co_await program.aborted();
  BOOST_TEST(workers.stats().completed == 1u);
  BOOST_TEST(workers.stats().failed == 1u);
  BOOST_TEST(workers.stats().cancelled == 1u);
}

CO_TEST(a_pool_is_destroyed_in_the_middle_of_things) {
  auto workers = std::make_unique<coproc::pool>(co_await this_executor(), 2);
  std::vector<async_result<int>> tasks;
  for (int i = 0; i != 100; ++i) tasks.push_back(workers->apply_async<t::square>(i));
  auto items = workers->imap<t::square>(std::views::iota(0));
  auto mapped = co_await beside(workers->map<t::square>(std::views::iota(0, 1000)));
  (void)co_await items.next();
  workers.reset();
  for (auto& task : tasks) {
    BOOST_TEST(task.ready());
    if (!task.successful()) (void)co_await thrown_by<coproc::pool_terminated>(task.get());
  }
  (void)co_await mapped.aborted();
}

CO_TEST_ONCE(a_pool_that_was_moved_from_is_a_logic_error) {
  coproc::pool first(co_await this_executor(), 1);
  coproc::pool workers = std::move(first);
  const int four = co_await workers.apply<t::square>(2);
  BOOST_TEST(four == 4);
  std::vector<int> numbers(3, 1);
  (void)co_await thrown_by<std::logic_error>([&] { return first.apply<t::square>(1); });
  (void)co_await thrown_by<std::logic_error>([&] { return first.map<t::square>(numbers); });
  (void)co_await thrown_by<std::logic_error>([&] { return first.run(helper("exit=0")); });
  (void)co_await thrown_by<std::logic_error>([&] { return first.join(); });
  BOOST_CHECK_THROW((void)first.apply_async<t::square>(1), std::logic_error);
  BOOST_CHECK_THROW((void)first.imap<t::square>(numbers), std::logic_error);
  BOOST_CHECK_THROW(first.close(), std::logic_error);
  BOOST_CHECK_THROW((void)first.stats(), std::logic_error);
}

CO_TEST_ONCE(nothing_is_taken_after_close) {
  coproc::pool workers(co_await this_executor(), 1);
  workers.close();
  workers.close(); // again
  std::vector<int> numbers(3, 1);
  (void)co_await thrown_by<coproc::pool_closed>(workers.apply<t::square>(1));
  (void)co_await thrown_by<coproc::pool_closed>(workers.map<t::square>(numbers));
  (void)co_await thrown_by<coproc::pool_closed>(workers.run(helper("exit=0")));
  BOOST_CHECK_THROW((void)workers.apply_async<t::square>(1), coproc::pool_closed);
  BOOST_CHECK_THROW((void)workers.imap<t::square>(numbers), coproc::pool_closed);
  BOOST_CHECK_THROW((void)workers.imap_unordered<t::square>(numbers), coproc::pool_closed);
  co_await workers.join();
  workers.terminate();
  co_await workers.join();
  BOOST_CHECK_THROW((void)workers.apply_async<t::square>(1), coproc::pool_closed);
}

CO_TEST_ONCE(an_imap_goes_on_after_close_and_its_workers_end) {
  coproc::pool workers(co_await this_executor(), 1);
  auto items = workers.imap<t::square>(std::views::iota(0, 10), map_options().window(1));
  workers.close();
  co_await workers.join(); // what was read is done
  for (int i = 0; i != 10; ++i) {
    auto got = co_await items.next();
    BOOST_TEST(got.value() == i * i);
  }
  auto end = co_await items.next();
  BOOST_TEST(!end.has_value());
  co_await workers.join();
  BOOST_TEST(workers.stats().workers == 0u);
}

CO_TEST_ONCE(the_destructor_kills_and_does_not_wait) {
  auto workers = std::make_unique<coproc::pool>(co_await this_executor(), 3);
  announcements started;
  std::vector<async_result<void>> tasks;
  for (int i = 0; i != 1000; ++i) tasks.push_back(workers->apply_async<t::announce_and_pause>(started));
  std::vector<int> pids;
  for (int i = 0; i != 3; ++i) pids.push_back(co_await started.get());
  ::kill(pids[1], SIGSTOP);
  co_await until_state(pids[1], 'T');
  auto program = co_await beside(workers->run(helper("pause")));
  const auto before = std::chrono::steady_clock::now();
  workers.reset();
  const auto took = std::chrono::steady_clock::now() - before;
  BOOST_TEST((took < std::chrono::milliseconds(sanitized ? 2000 : 200)));
  for (auto& task : tasks) BOOST_TEST(task.ready());
  for (int pid : pids) co_await end_of(pid);
  const bool aborted = co_await program.aborted();
  BOOST_TEST(aborted);
}

// Several threads: a pool on a strand.

namespace {

asio::awaitable<void> use_on_a_strand(coproc::pool& workers, int& sum) {
  std::vector<async_result<int>> tasks;
  for (int i = 0; i != 300; ++i) tasks.push_back(workers.apply_async<t::square>(i));
  auto items = workers.imap<t::square>(std::views::iota(0, 300));
  for (auto& task : tasks) sum += co_await task.get() != 0;
  while (auto got = co_await items.next()) sum += *got != 0;
  (void)co_await thrown_by<coproc::worker_died>(workers.apply<t::exit_with>(1));
  std::vector<int> ones(1000, 1);
  auto mapped = co_await workers.map<t::square>(ones);
  for (int one : mapped) sum += one;
  workers.close();
  co_await workers.join();
}

} // namespace

BOOST_AUTO_TEST_CASE(a_pool_on_a_strand_of_a_loop_that_four_threads_run) {
  leak_check leaks;
  asio::io_context loop;
  auto strand = asio::make_strand(loop);
  {
    coproc::pool workers(strand, 2);
    int sum = 0;
    std::exception_ptr error;
    asio::co_spawn(strand, use_on_a_strand(workers, sum), [&](std::exception_ptr e) { error = e; });
    std::vector<std::thread> threads;
    for (int i = 0; i != 4; ++i) threads.emplace_back([&] { loop.run_for(deadline()); });
    for (auto& thread : threads) thread.join();
    if (error) std::rethrow_exception(error);
    BOOST_TEST(sum == 299 + 299 + 1000);
  }
}

// Workers that do not go.

CO_TEST_ONCE(a_stopped_worker_does_not_hold_up_join) {
  coproc::pool workers(co_await this_executor(), 1);
  const int pid = co_await workers.apply<t::own_pid>();
  ::kill(pid, SIGSTOP);
  co_await until_state(pid, 'T');
  workers.close();
  co_await workers.join();
  BOOST_TEST(!alive(pid));
}

CO_TEST_ONCE(a_worker_that_hangs_at_its_end_is_killed_and_was_replaced_before) {
  coproc::pool workers(co_await this_executor(), pool_options().size(1).max_tasks_per_child(1));
  const int pid = co_await workers.apply<t::hang_at_end>();
  const int other = co_await workers.apply<t::own_pid>();
  BOOST_TEST(alive(pid)); // nobody waits for it
  BOOST_TEST(other != pid);
  workers.close();
  co_await workers.join();
  BOOST_TEST(!alive(pid));
}

// Others than the pool's own.

BOOST_AUTO_TEST_CASE(a_result_asked_for_by_another_context_is_a_logic_error) {
  leak_check leaks;
  asio::io_context first, second;
  coproc::pool workers(first.get_executor(), 1);
  auto task = workers.apply_async<t::square>(1);
  std::exception_ptr got, waited;
  asio::co_spawn(second, task.get(), [&](std::exception_ptr e, int) { got = e; });
  asio::co_spawn(second, task.wait(), [&](std::exception_ptr e) { waited = e; });
  second.run();
  for (auto error : {got, waited}) {
    BOOST_REQUIRE(error);
    BOOST_CHECK_THROW(std::rethrow_exception(error), std::logic_error);
  }
  first.run();
  BOOST_TEST(task.successful());
}

BOOST_AUTO_TEST_SUITE_END()
