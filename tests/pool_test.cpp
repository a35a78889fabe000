#include <coproc/pool.hpp>

#include <coproc/process.hpp>
#include <coproc/this_process.hpp>

#include "pool/list_of.hpp"
#include "pool/targets.hpp"
#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/helper.hpp"
#include "support/pending.hpp"
#include "support/process_info.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <malloc.h>
#include <unistd.h>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(pool)

namespace t = coproc::test::pool_targets;
using coproc::async_result;
using coproc::map_options;
using coproc::pool_options;
using t::announcements;

// apply

CO_TEST(apply_gives_the_result) {
  coproc::pool workers(co_await this_executor(), 2);
  const int nine = co_await workers.apply<t::square>(3);
  BOOST_TEST(nine == 9);
}

CO_TEST_ONCE(arguments_convert_and_may_be_several) {
  coproc::pool workers(co_await this_executor(), 1);
  short one = 1;
  const int three = co_await workers.apply<t::add>(one, 2u);
  BOOST_TEST(three == 3);
  const std::size_t five = co_await workers.apply<t::length>("hello");
  BOOST_TEST(five == 5u);
  co_await workers.apply<t::nothing>();
  std::unique_ptr<int> box = co_await workers.apply<t::boxed>(4);
  BOOST_TEST(*box == 4);
}

unsigned long number_of_next_process() {
  const coproc::process next{coproc::target<t::square>, 1};
  return std::stoul(next.name().substr(std::string("Process-").size()));
}

CO_TEST_ONCE(workers_are_not_counted_as_process_objects) {
  const unsigned long before = number_of_next_process();
  coproc::pool workers(co_await this_executor(), 2);
  co_await workers.apply<t::nothing>();
  const coproc::process named{coproc::process_options().name("its own"), coproc::target<t::square>, 1};
  BOOST_TEST(number_of_next_process() == before + 2);
}

CO_TEST_ONCE(arguments_are_encoded_at_the_call) {
  coproc::pool workers(co_await this_executor(), 1);
  std::string text = "before";
  auto length = workers.apply<t::length>(text);
  text = "a much longer text after";
  const std::size_t six = co_await std::move(length);
  BOOST_TEST(six == 6u);
}

asio::awaitable<int> later(int x) {
  asio::steady_timer timer(co_await asio::this_coro::executor, 1ms);
  co_await timer.async_wait(asio::use_awaitable);
  co_return x + 1;
}

CO_TEST_ONCE(a_target_may_be_a_coroutine_or_a_lambda) {
  coproc::pool workers(co_await this_executor(), 1);
  const int two = co_await workers.apply<later>(1);
  BOOST_TEST(two == 2);
  constexpr auto halve = [](int x) { return x / 2; };
  const int four = co_await workers.apply<halve>(8);
  BOOST_TEST(four == 4);
}

CO_TEST_ONCE(what_a_task_throws_arrives) {
  coproc::pool workers(co_await this_executor(), 1);
  auto error = co_await thrown_by<coproc::remote_error>(workers.apply<t::throw_if_odd>(7));
  BOOST_TEST(error.type() == "std::runtime_error");
  BOOST_TEST(error.message() == "odd: 7");
  CHECK_CONTAINS(error.function(), "throw_if_odd");
  const int pid = co_await workers.apply<t::own_pid>();
  BOOST_TEST(error.pid() == pid); // it lives on
}

CO_TEST_ONCE(workers_are_processes_started_when_needed_and_used_again) {
  coproc::pool workers(co_await this_executor(), 4);
  BOOST_TEST(workers.stats().workers == 0u);
  const int first = co_await workers.apply<t::own_pid>();
  BOOST_TEST(first != coproc::this_process::pid());
  for (int i = 0; i != 20; ++i) {
    const int again = co_await workers.apply<t::own_pid>();
    BOOST_TEST(again == first);
  }
  BOOST_TEST(workers.stats().workers == 1u);
  BOOST_TEST(workers.stats().idle == 1u);
  BOOST_TEST(workers.stats().completed == 21u);
}

CO_TEST_ONCE(no_more_than_size_run_at_once) {
  coproc::pool workers(co_await this_executor(), 2);
  announcements started, go;
  std::vector<async_result<int>> tasks;
  for (int i = 0; i != 5; ++i) tasks.push_back(workers.apply_async<t::announce_and_wait>(started, go));
  std::set<int> pids;
  for (int i = 0; i != 5; ++i) {
    pids.insert(co_await started.get());
    if (i == 0) continue;
    // Two run, and the next one only starts when one of them has ended.
    BOOST_TEST(workers.stats().running <= 2u);
    bool more = true;
    try {
      const int pid = co_await started.get(20ms);
      pids.insert(pid);
    } catch (const coproc::queue_empty&) {
      more = false;
    }
    BOOST_TEST(!more);
    co_await go.put(i);
  }
  co_await go.put(0);
  int sum = 0;
  for (auto& task : tasks) sum += co_await task.get();
  BOOST_TEST(sum == 10);
  BOOST_TEST(pids.size() == 2u);
}

int pids_of_inner(int) {
  asio::io_context loop;
  coproc::pool inner(loop.get_executor(), 1);
  auto task = inner.apply_async<t::own_pid>();
  int pid = 0;
  asio::co_spawn(loop, task.get(), [&](std::exception_ptr, int result) { pid = result; });
  loop.run();
  return pid;
}

CO_TEST_ONCE(a_task_may_have_a_pool_of_its_own) {
  coproc::pool workers(co_await this_executor(), 2);
  auto inner = co_await workers.map<pids_of_inner>(list_of<int>(1, 2, 3), map_options().chunk_size(1));
  for (int pid : inner) {
    BOOST_TEST(pid > 0);
    co_await end_of(pid); // with the inner pool
  }
}

CO_TEST_ONCE(a_printed_line_is_there_with_its_result) {
  int ends[2];
  BOOST_REQUIRE(::pipe(ends) == 0);
  const int kept = ::dup(1);
  coproc::pool workers(co_await this_executor(), 1);
  ::dup2(ends[1], 1); // workers get the host's stdout
  co_await workers.apply<t::print>("hello\n");
  ::dup2(kept, 1);
  ::close(kept);
  ::close(ends[1]);
  char text[16] = {};
  BOOST_TEST(::read(ends[0], text, sizeof text) == 6);
  BOOST_TEST(std::string(text) == "hello\n");
  ::close(ends[0]);
}

// how much may wait

CO_TEST_ONCE(max_pending_refuses_or_waits) {
  coproc::pool workers(co_await this_executor(), pool_options().size(1).max_pending(2));
  announcements started, go;
  auto running = workers.apply_async<t::announce_and_wait>(started, go);
  (void)co_await started.get();
  auto first = workers.apply_async<t::square>(1);
  auto second = workers.apply_async<t::square>(2);
  BOOST_CHECK_THROW((void)workers.apply_async<t::square>(3), coproc::queue_full);
  auto third = co_await beside(workers.apply<t::square>(3));
  co_await breathe();
  BOOST_TEST(!third.done());
  BOOST_TEST(workers.stats().queued == 2u);
  co_await go.put(0);
  const int nine = co_await third.result();
  BOOST_TEST(nine == 9);
  co_await second.wait();
}

CO_TEST_ONCE(a_queued_task_takes_less_than_1_kb) {
  if (sanitized) co_return; // they have memory of their own
  coproc::pool workers(co_await this_executor(), 1);
  announcements started, go;
  auto running = workers.apply_async<t::announce_and_wait>(started, go);
  (void)co_await started.get();
  auto in_use = [] {
    const auto now = ::mallinfo2();
    return now.uordblks + now.hblkhd;
  };
  constexpr std::size_t count = 20'000;
  std::vector<async_result<int>> tasks;
  tasks.reserve(count);
  const std::size_t before = in_use();
  for (std::size_t i = 0; i != count; ++i) tasks.push_back(workers.apply_async<t::square>(3));
  const std::size_t each = (in_use() - before) / count;
  BOOST_TEST_MESSAGE("a queued task takes " << each << " bytes");
  BOOST_TEST(workers.stats().queued == count);
  BOOST_TEST(each > 0u);
  BOOST_TEST(each < 1000u);
}

// programs

CO_TEST(run_takes_a_slot) {
  coproc::pool workers(co_await this_executor(), 1);
  auto done = co_await workers.run(helper("exit=3"));
  BOOST_TEST(done.status.code().value() == 3);
  announcements started, go;
  auto task = workers.apply_async<t::announce_and_wait>(started, go);
  (void)co_await started.get();
  auto program = co_await beside(workers.run(helper("exit=0")));
  co_await breathe();
  BOOST_TEST(workers.stats().queued == 1u);
  BOOST_TEST(!program.done());
  co_await go.put(1);
  auto second = co_await program.result();
  BOOST_TEST(second.status.success());
}

// options

CO_TEST_ONCE(max_tasks_per_child_replaces_workers) {
  coproc::pool workers(co_await this_executor(), pool_options().size(1).max_tasks_per_child(3));
  std::map<int, int> calls;
  for (int i = 0; i != 9; ++i) ++calls[co_await workers.apply<t::own_pid>()];
  BOOST_TEST(calls.size() == 3u);
  for (auto [pid, count] : calls) BOOST_TEST(count == 3);
  auto counts = co_await workers.map<[](int) { return t::own_pid(); }>(std::vector<int>(10, 0));
  std::map<int, int> items;
  for (int pid : counts) ++items[pid];
  for (auto [pid, count] : items) BOOST_TEST(count <= 3);
  BOOST_TEST(workers.stats().restarted >= 5u);
}

CO_TEST_ONCE(max_rss_replaces_workers) {
  coproc::pool workers(co_await this_executor(), pool_options().size(1).max_rss(200'000'000));
  const auto first = co_await workers.apply<t::grow>(std::size_t(1000));
  const auto second = co_await workers.apply<t::grow>(std::size_t(300'000'000));
  const auto third = co_await workers.apply<t::grow>(std::size_t(1000));
  if (sanitized) co_return; // with memory of its own, it may be above that from the start
  BOOST_TEST(first == second);
  BOOST_TEST(third != second);
}

CO_TEST_ONCE(the_initializer_runs_first_in_each_worker) {
  coproc::pool workers(co_await this_executor(), pool_options().size(2).max_tasks_per_child(2).initializer(
                                                     coproc::target<t::set_state>, 42));
  for (int i = 0; i != 6; ++i) {
    const int state = co_await workers.apply<t::get_state>();
    BOOST_TEST(state == 42);
  }
}

CO_TEST_ONCE(workers_keep_their_globals) {
  coproc::pool workers(co_await this_executor(), 1);
  for (int i = 1; i != 4; ++i) {
    const int calls = co_await workers.apply<t::count_calls>();
    BOOST_TEST(calls == i);
  }
}

BOOST_AUTO_TEST_CASE(options_are_checked) {
  BOOST_CHECK_THROW(pool_options().size(0), std::invalid_argument);
  BOOST_CHECK_THROW(pool_options().max_tasks_per_child(0), std::invalid_argument);
  BOOST_CHECK_THROW(pool_options().max_rss(0), std::invalid_argument);
  const int less_than_none = -1; // what a computation may give
  const auto negative = static_cast<std::size_t>(less_than_none);
  BOOST_CHECK_THROW(pool_options().size(negative), std::invalid_argument);
  BOOST_CHECK_THROW(pool_options().max_pending(negative), std::invalid_argument);
  BOOST_CHECK_THROW(map_options().window(negative), std::invalid_argument);
  asio::io_context loop;
  BOOST_CHECK_THROW(coproc::pool(loop.get_executor(), 0), std::invalid_argument);
  BOOST_CHECK_THROW(coproc::pool(loop.get_executor(), negative), std::invalid_argument);
  BOOST_CHECK_THROW(pool_options().max_pending(0), std::invalid_argument);
  BOOST_CHECK_THROW(pool_options().task_timeout(0s), std::invalid_argument);
  BOOST_CHECK_THROW(pool_options().retries(-1), std::invalid_argument);
  BOOST_CHECK_THROW(map_options().chunk_size(0), std::invalid_argument);
  BOOST_CHECK_THROW(map_options().window(0), std::invalid_argument);
}

CO_TEST_ONCE(every_start_method_works) {
  for (auto method :
       {coproc::start_method::forkserver, coproc::start_method::spawn, coproc::start_method::fork}) {
    if (method == coproc::start_method::fork && sanitized) continue;
    coproc::pool workers(co_await this_executor(), pool_options().size(2).method(method));
    auto squares = co_await workers.map<t::square>(list_of<int>(1, 2, 3));
    BOOST_TEST(squares[2] == 9);
    (void)co_await thrown_by<coproc::worker_died>(workers.apply<t::raise_signal>(9));
    workers.close();
    co_await workers.join();
  }
}

// its end

CO_TEST(close_and_join_drain) {
  coproc::pool workers(co_await this_executor(), 2);
  std::vector<async_result<int>> tasks;
  for (int i = 0; i != 50; ++i) tasks.push_back(workers.apply_async<t::square>(i));
  workers.close();
  BOOST_CHECK_THROW((void)workers.apply_async<t::square>(1), coproc::pool_closed);
  co_await workers.join();
  for (auto& task : tasks) BOOST_TEST(task.successful());
  BOOST_TEST(workers.stats().workers == 0u);
  co_await workers.join(); // again
  (void)co_await thrown_by<coproc::pool_closed>(workers.apply<t::square>(1));
}

CO_TEST_ONCE(join_before_close_is_a_logic_error) {
  coproc::pool workers(co_await this_executor(), 1);
  (void)co_await thrown_by<std::logic_error>(workers.join());
}

CO_TEST_ONCE(terminate_fails_what_is_queued_or_running) {
  coproc::pool workers(co_await this_executor(), 2);
  announcements started;
  auto running = workers.apply_async<t::announce_and_pause>(started);
  auto program = co_await beside(workers.run(helper("pause")));
  (void)co_await started.get();
  auto queued = workers.apply_async<t::square>(1);
  workers.terminate();
  (void)co_await thrown_by<coproc::pool_terminated>(running.get());
  (void)co_await thrown_by<coproc::pool_terminated>(queued.get());
  (void)co_await thrown_by<coproc::pool_terminated>(program.result());
  co_await workers.join();
  BOOST_CHECK_THROW((void)workers.apply_async<t::square>(1), coproc::pool_closed);
}

CO_TEST_ONCE(the_destructor_aborts_who_waits) {
  auto workers = std::make_unique<coproc::pool>(co_await this_executor(), 1);
  announcements started;
  auto running = co_await beside(workers->apply<t::announce_and_pause>(started));
  (void)co_await started.get();
  auto queued = co_await beside(workers->apply<t::square>(1));
  auto mapped = co_await beside(workers->map<t::square>(list_of<int>(1, 2)));
  workers->close();
  auto joined = co_await beside(workers->join());
  co_await breathe();
  workers.reset();
  const bool first = co_await running.aborted();
  const bool second = co_await queued.aborted();
  const bool third = co_await mapped.aborted();
  const bool fourth = co_await joined.aborted();
  BOOST_TEST(first);
  BOOST_TEST(second);
  BOOST_TEST(third);
  BOOST_TEST(fourth);
}

BOOST_AUTO_TEST_SUITE_END()
