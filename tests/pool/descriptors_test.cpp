// Results that cross as descriptors, when none is left for them, or too many are on their way.
#include <coproc/pool.hpp>

#include "pool/targets.hpp"
#include "support/co_test.hpp"
#include "support/comes_true.hpp"
#include "support/expect.hpp"
#include "support/fault.hpp"
#include "support/host_state.hpp"
#include "support/pending.hpp"
#include "support/unsendable.hpp"

#include <cerrno>
#include <cstddef>
#include <numeric>
#include <string>
#include <system_error>
#include <tuple>
#include <vector>

#include <sys/resource.h>
#include <unistd.h>

using namespace coproc::test;

BOOST_AUTO_TEST_SUITE(pool_descriptors)

namespace t = coproc::test::pool_targets;
using coproc::async_result;
using coproc::map_options;
using t::announcements;

/// @returns the limit that leaves this process so many descriptors, and none below those that it has.
rlim_t limit_that_leaves(int count) {
  const int next_free = ::dup(0);
  ::close(next_free);
  return static_cast<rlim_t>(next_free + count);
}

constexpr std::size_t large = 70'000; // crosses as a descriptor
std::string large_text(int item) { return std::string(large + static_cast<std::size_t>(item), 'x'); }

std::vector<int> numbers(int count) {
  std::vector<int> all(static_cast<std::size_t>(count));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

CO_TEST_ONCE(results_that_nobody_has_taken_hold_no_descriptors) {
  coproc::pool workers(co_await this_executor(), 1);
  co_await workers.apply<t::nothing>();
  lowered_limit few(RLIMIT_NOFILE, limit_that_leaves(8));
  std::vector<async_result<std::string>> tasks;
  for (int i = 0; i != 100; ++i) tasks.push_back(workers.apply_async<large_text>(i));
  co_await tasks.back().wait();
  for (std::size_t i = 0; i != tasks.size(); ++i) {
    const std::string got = co_await tasks[i].get();
    BOOST_TEST(got.size() == large + i);
  }
}

CO_TEST_ONCE(chunks_of_large_results_need_few_descriptors) {
  coproc::pool workers(co_await this_executor(), 2);
  const std::vector<int> items = numbers(200);
  co_await workers.map<t::sleep_ms>(numbers(2), map_options().chunk_size(1)); // both are up
  lowered_limit few(RLIMIT_NOFILE, limit_that_leaves(8));
  auto unread = workers.imap<large_text>(items, map_options().chunk_size(50).window(200));
  const bool finished = co_await comes_true([&] { return workers.stats().completed == 2 + items.size(); });
  BOOST_TEST(finished);
  BOOST_TEST(workers.stats().failed == 0u);
  for (const int i : items) {
    const auto got = co_await unread.next();
    BOOST_TEST(got.value().size() == large + static_cast<std::size_t>(i));
  }
}

CO_TEST_ONCE(arguments_that_hold_a_queue_wait_without_descriptors_of_their_own) {
  coproc::pool workers(co_await this_executor(), 1);
  co_await workers.apply<t::nothing>();
  announcements started, go;
  lowered_limit few(RLIMIT_NOFILE, limit_that_leaves(8));
  std::vector<async_result<int>> tasks;
  for (int i = 0; i != 200; ++i) tasks.push_back(workers.apply_async<t::announce_and_wait>(started, go));
  for (int i = 0; i != 200; ++i) go.put_nowait(i);
  for (auto& task : tasks) (void)co_await task.get();
  BOOST_TEST(started.qsize() == 200u);
}

/// The first item waits, and has a large result; the second one waits in the middle of its run.
std::string large_then_wait(int item, announcements started, announcements go) {
  if (item == 0) return large_text(t::wait_for(go) * 0);
  return std::to_string(item == 1 ? t::announce_and_wait(started, go) : 0);
}

CO_TEST_ONCE(a_result_waits_for_a_descriptor_and_nothing_that_was_started_runs_again) {
  coproc::pool workers(co_await this_executor(), 2);
  co_await workers.map<t::sleep_ms>(numbers(2), map_options().chunk_size(1));
  announcements started, go;
  std::vector<std::tuple<int, announcements, announcements>> items;
  for (int i = 0; i != 3; ++i) items.emplace_back(i, started, go);
  auto mapped = co_await beside(workers.starmap<large_then_wait>(items, map_options().chunk_size(3)));
  while (workers.stats().running == 0) co_await breathe();
  {
    lowered_limit none(RLIMIT_NOFILE, limit_that_leaves(0));
    go.put_nowait(0);
    // The pool takes back what waits behind a long item, once it knows what that is: the second item begins,
    // or is held back until the first one's result has been received.
    int looks = 0;
    (void)co_await comes_true([&] { return started.qsize() == 1 || ++looks == 20; });
    for (int i = 0; i != 20; ++i) co_await breathe();
    BOOST_TEST(!mapped.done());
  }
  go.put_nowait(0);
  const std::vector<std::string> texts = co_await mapped.result();
  BOOST_TEST(texts[0].size() == large);
  BOOST_TEST(texts[2] == "0");
  BOOST_TEST(started.qsize() == 1u);
}

CO_TEST_ONCE(a_shortage_of_descriptors_that_lasts_fails_the_result) {
  coproc::pool workers(co_await this_executor(), 1);
  const int before = co_await workers.apply<t::own_pid>();
  {
    lowered_limit none(RLIMIT_NOFILE, limit_that_leaves(0));
    auto error = co_await thrown_by<std::system_error>(workers.apply<large_text>(0));
    BOOST_TEST((error.code() == std::errc::too_many_files_open));
    CHECK_CONTAINS(std::string(error.what()), "cannot receive a result");
  }
  const std::string got = co_await workers.apply<large_text>(1);
  BOOST_TEST(got.size() == large + 1);
  const int after = co_await workers.apply<t::own_pid>();
  BOOST_TEST(before == after);
}

CO_TEST_ONCE(too_many_descriptors_on_their_way_make_the_worker_wait) {
  coproc::pool workers(co_await this_executor(), 1);
  const std::string got = co_await workers.apply<fail_to_send>(ETOOMANYREFS, 3u);
  BOOST_TEST(got.size() == 100'000u);
}

CO_TEST_ONCE(too_many_descriptors_on_their_way_make_tasks_wait) {
  coproc::pool workers(co_await this_executor(), 1);
  co_await workers.apply<t::nothing>();
  const std::string argument(100'000, 'x');
  fault full(coproc::os::call::sendmsg, ETOOMANYREFS, 3);
  const std::size_t length = co_await workers.apply<t::length>(argument);
  BOOST_TEST(length == argument.size());
  BOOST_TEST(full.hits() == 3u);
}

BOOST_AUTO_TEST_SUITE_END()
