// Which worker is given what, and when: short tasks ahead of time, and never behind a long one.
#include <coproc/pool.hpp>

#include "pool/targets.hpp"
#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/fault.hpp"
#include "support/pending.hpp"
#include "support/process_info.hpp"
#include "support/sanitizers.hpp"

#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <signal.h>
#include <sys/resource.h>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(pool_dispatch)

namespace t = coproc::test::pool_targets;
using coproc::async_result;
using coproc::map_options;
using coproc::os::call;
using t::announcements;

namespace {

/// How many packets this process, a worker, has sent and received.
std::size_t packets() { return counted_calls::so_far(call::sendmsg) + counted_calls::so_far(call::recvmsg); }

/// Has the pool find out that @p Fn is short.
template <auto Fn, class... A>
asio::awaitable<void> warm_up(coproc::pool& workers, A... arguments) {
  for (int round = 0; round != 3; ++round) {
    std::vector<decltype(workers.apply_async<Fn>(arguments...))> tasks;
    for (int i = 0; i != 300; ++i) tasks.push_back(workers.apply_async<Fn>(arguments...));
    for (auto& task : tasks) co_await task.wait();
  }
}

/// Waits for @p limit or for the announcement that makes it go on, whichever is first: long, or not.
struct visit {
  announcements started, go;
  bool stays = false;
};

int pay(const visit& which) {
  if (!which.stays) return 0;
  announcements started = which.started, go = which.go;
  started.blocking_put(coproc::test::pool_targets::own_pid());
  return go.blocking_get();
}

/// Has something to carry, which takes room.
int sleep_with(const std::string&, int ms) {
  if (ms != 0) coproc::test::pool_targets::sleep_ms(ms); // for nought it would be some 50 us
  return ms;
}

} // namespace

#if defined(NDEBUG) && !COPROC_TEST_SANITIZED
constexpr bool is_fast_build = true;
#else
constexpr bool is_fast_build = false;
#endif

CO_TEST_ONCE(frames_are_batched_into_few_system_calls) {
  constexpr std::size_t count = 20'000;
  coproc::pool workers(co_await this_executor(), 1);
  co_await warm_up<t::nothing>(workers);
  const std::size_t in_worker = co_await workers.apply<packets>();
  const counted_calls sent(call::sendmsg), received(call::recvmsg);
  std::vector<async_result<void>> tasks;
  for (std::size_t i = 0; i != count; ++i) tasks.push_back(workers.apply_async<t::nothing>());
  for (auto& task : tasks) co_await task.get();
  const std::size_t by_host = sent.count() + received.count();
  const std::size_t by_worker = co_await workers.apply<packets>() - in_worker;
  BOOST_TEST_MESSAGE(count << " tasks: " << by_host << " packets of the host, " << by_worker
                           << " of the worker");
  // Slow tasks are not handed ahead: each has a packet of its own.
  const std::size_t limit = is_fast_build ? count / 10 : 3 * count;
  BOOST_TEST(by_host < limit);
  BOOST_TEST(by_worker < limit);
}

CO_TEST_ONCE(large_arguments_and_results_go_by_shared_memory) {
  coproc::pool workers(co_await this_executor(), 1);
  const std::string small(1'000, 'x'), large(3'000'000, 'x');
  (void)co_await workers.apply<t::length>(small);
  const counted_calls made(call::memfd_create);
  (void)co_await workers.apply<t::length>(small);
  BOOST_TEST(made.count() == 0u);
  (void)co_await workers.apply<t::length>(large);
  BOOST_TEST(made.count() == 1u);
}

CO_TEST_ONCE(a_task_that_becomes_long_keeps_none_waiting) {
  coproc::pool workers(co_await this_executor(), 2);
  co_await warm_up<pay>(workers, visit());
  visit long_one;
  long_one.stays = true;
  const visit short_one = [&] {
    visit made = long_one;
    made.stays = false;
    return made;
  }();
  std::vector<async_result<int>> tasks;
  for (int i = 0; i != 300; ++i) tasks.push_back(workers.apply_async<pay>(i == 3 ? long_one : short_one));
  (void)co_await long_one.started.get();
  for (std::size_t i = 0; i != tasks.size(); ++i)
    if (i != 3) co_await tasks[i].wait();
  BOOST_TEST(!tasks[3].ready());
  co_await long_one.go.put(1);
  const int one = co_await tasks[3].get();
  BOOST_TEST(one == 1);
}

CO_TEST_ONCE(short_tasks_keep_out_of_the_way_of_a_long_function) {
  coproc::pool workers(co_await this_executor(), 2);
  co_await warm_up<t::square>(workers, 1);
  announcements started, go;
  auto first = workers.apply_async<t::announce_and_wait>(started, go);
  auto second = workers.apply_async<t::announce_and_wait>(started, go);
  auto third = workers.apply_async<t::announce_and_wait>(started, go);
  std::vector<async_result<int>> tasks;
  for (int i = 0; i != 300; ++i) tasks.push_back(workers.apply_async<t::square>(i));
  for (int i = 0; i != 2; ++i) (void)co_await started.get();
  // Both slots are in use: whoever is free next runs the rest, the other one stays out of it.
  co_await go.put(0);
  (void)co_await started.get(); // the third one has a slot
  co_await go.put(0);
  for (auto& task : tasks) co_await task.wait();
  const int still = !first.ready() + !second.ready() + !third.ready();
  BOOST_TEST(still == 1);
  co_await go.put(0);
  co_await first.wait();
  co_await second.wait();
  co_await third.wait();
}

// The same within a chunk.

CO_TEST_ONCE(items_do_not_wait_behind_a_long_one_of_their_chunk) {
  for (std::size_t chunk : {0u, 300u}) {
    coproc::pool workers(co_await this_executor(), 2);
    co_await warm_up<pay>(workers, visit());
    visit item;
    std::vector<visit> items(300, item);
    items[3].stays = true;
    map_options options;
    if (chunk != 0) options.chunk_size(chunk);
    options.window(1000);
    auto results = workers.imap_unordered<pay>(items, options);
    for (std::size_t i = 0; i != items.size() - 1; ++i) {
      auto got = co_await results.next();
      BOOST_REQUIRE(got.has_value());
      BOOST_REQUIRE(*got == 0);
    }
    co_await item.go.put(7);
    auto last = co_await results.next();
    BOOST_TEST(last.value() == 7);
    auto end = co_await results.next();
    BOOST_TEST(!end.has_value());
    BOOST_TEST(workers.stats().completed == 900u + items.size());
  }
}

CO_TEST_ONCE(a_chunk_whose_items_become_longer_is_shared) {
  coproc::pool workers(co_await this_executor(), 2);
  co_await warm_up<t::busy_us>(workers, 1);
  // Not long enough, each of them, that something would be taken back from behind it.
  auto pids = co_await workers.map<t::busy_us>(std::vector<int>(200, 500));
  std::size_t of_first = 0;
  for (int pid : pids) of_first += pid == pids.front();
  BOOST_TEST_MESSAGE(of_first << " of 200 by one worker");
  BOOST_TEST(of_first >= 40u);
  BOOST_TEST(of_first <= 160u);
}

// A worker that stands still.

CO_TEST_ONCE(nothing_waits_behind_a_stopped_worker_and_the_host_does_not_spin) {
  coproc::pool workers(co_await this_executor(), 2);
  co_await warm_up<t::own_pid>(workers);
  announcements started, go;
  auto other = workers.apply_async<t::announce_and_wait>(started, go);
  const int busy = co_await started.get();
  const int stopped = co_await workers.apply<t::own_pid>();
  BOOST_REQUIRE(stopped != busy);
  ::kill(stopped, SIGSTOP);
  co_await until_state(stopped, 'T');
  std::vector<async_result<int>> tasks;
  for (int i = 0; i != 50; ++i) tasks.push_back(workers.apply_async<t::own_pid>());
  co_await go.put(0);
  for (std::size_t i = 1; i != tasks.size(); ++i) {
    const int pid = co_await tasks[i].get();
    BOOST_TEST(pid == busy);
  }
  BOOST_TEST(!tasks[0].ready()); // it may have begun, for all that is known
  auto used = [] {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return std::chrono::seconds(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           std::chrono::microseconds(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
  };
  auto two_more = workers.apply_async<t::announce_and_wait>(started, go);
  (void)co_await started.get();
  asio::steady_timer timer(co_await asio::this_coro::executor, 300ms);
  const auto before = used();
  co_await timer.async_wait(asio::use_awaitable);
  BOOST_TEST((used() - before < 100ms));
  ::kill(stopped, SIGCONT);
  const int pid = co_await tasks[0].get();
  BOOST_TEST(pid == stopped);
  co_await go.put(0);
  co_await two_more.wait();
}

CO_TEST_ONCE(what_waits_behind_a_long_task_runs_elsewhere) {
  coproc::pool workers(co_await this_executor(), 2);
  // Short ones first, so that they are handed ahead.
  for (int round = 0; round != 3; ++round) {
    std::vector<async_result<int>> warm;
    for (int i = 0; i != 300; ++i) warm.push_back(workers.apply_async<t::sleep_ms>(0));
    for (auto& task : warm) co_await task.wait();
  }
  announcements started, go;
  std::vector<async_result<int>> tasks;
  tasks.push_back(workers.apply_async<t::sleep_ms>(3'000));
  for (int i = 0; i != 300; ++i) tasks.push_back(workers.apply_async<t::sleep_ms>(0));
  for (std::size_t i = 1; i != tasks.size(); ++i) co_await tasks[i].wait();
  BOOST_TEST(!tasks[0].ready());
}

CO_TEST_ONCE(and_so_does_what_waits_there_because_there_was_room_for_no_more) {
  coproc::pool workers(co_await this_executor(), 2);
  const std::string load(16'000, 'x'); // eight of these fill the ring
  co_await warm_up<sleep_with>(workers, load, 0);
  std::vector<async_result<int>> tasks;
  tasks.push_back(workers.apply_async<sleep_with>(load, 3'000));
  for (int i = 0; i != 40; ++i) tasks.push_back(workers.apply_async<sleep_with>(load, 0));
  for (std::size_t i = 1; i != tasks.size(); ++i) co_await tasks[i].wait();
  BOOST_TEST(!tasks[0].ready());
}

BOOST_AUTO_TEST_SUITE_END()
