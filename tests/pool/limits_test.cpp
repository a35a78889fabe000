// How often and how long the pool tries: retries, crash loops, the time that a task may take.
#include <coproc/pool.hpp>

#include "pool/targets.hpp"
#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/helper.hpp"
#include "support/host_state.hpp"
#include "support/pending.hpp"
#include "support/process_info.hpp"

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <signal.h>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(pool_limits)

namespace t = coproc::test::pool_targets;
using coproc::async_result;
using coproc::map_options;
using coproc::pool_options;
using t::announcements;

namespace {

void keep_all(const std::vector<announcements>&) {}
std::string text_of(std::size_t size) { return std::string(size, 'x'); }

} // namespace

CO_TEST_ONCE(longest_duration_is_no_timeout) {
  coproc::pool workers(co_await this_executor(),
                       pool_options().size(1).task_timeout(coproc::duration::max()));
  const int slow = co_await workers.apply<t::sleep_ms>(50);
  BOOST_TEST(slow == 50);
}

CO_TEST_ONCE(max_pending_counts_those_that_wait_behind_programs_and_maps) {
  coproc::pool workers(co_await this_executor(), pool_options().size(2).max_pending(1));
  auto program = co_await beside(workers.run(helper("pause")));
  announcements started;
  auto mapped = workers.imap<t::announce_and_pause>(std::vector<announcements>(1, started));
  co_await started.get();
  while (workers.stats().running != 2) co_await breathe();
  auto waits = workers.apply_async<t::nothing>();
  BOOST_CHECK_THROW(workers.apply_async<t::nothing>(), coproc::queue_full);
  auto also = co_await beside(workers.apply<t::square>(3));
  co_await breathe();
  BOOST_TEST(workers.stats().queued == 1u);
  program.cancel();
  const int nine = co_await also.result();
  BOOST_TEST(nine == 9);
}

CO_TEST_ONCE(retries_start_a_task_again) {
  coproc::pool workers(co_await this_executor(), pool_options().size(1).retries(2));
  scratch_directory folder;
  const std::string file = folder.file("file", "").string();
  const int starts = co_await workers.apply<t::die_until>(file, 2);
  BOOST_TEST(starts == 3);
  const std::string other = folder.file("other", "").string();
  (void)co_await thrown_by<coproc::worker_died>(workers.apply<t::die_until>(other, 3));
  BOOST_TEST(std::filesystem::file_size(other) == 3u);
}

CO_TEST_ONCE(without_retries_no_task_starts_twice) {
  coproc::pool workers(co_await this_executor(), 1);
  scratch_directory folder;
  const std::string file = folder.file("file", "").string();
  (void)co_await thrown_by<coproc::worker_died>(workers.apply<t::die_until>(file, 1));
  co_await workers.apply<t::nothing>();
  BOOST_TEST(std::filesystem::file_size(file) == 1u);
}

CO_TEST_ONCE(an_initializer_that_damages_the_channel_ends_with_an_error_that_says_so) {
  coproc::pool workers(co_await this_executor(),
                       pool_options().size(1).initializer(coproc::target<t::write_garbage_to_channels>,
                                                          t::and_then::go_on, std::size_t(14)));
  auto error = co_await thrown_by<coproc::worker_died>(workers.apply<t::get_state>());
  CHECK_CONTAINS(std::string(error.what()), "initializer");
  BOOST_TEST(workers.stats().restarted < 10u);
}

CO_TEST_ONCE(an_initializer_with_more_descriptors_than_can_be_sent_is_refused) {
  std::vector<announcements> many(254, announcements());
  auto options = pool_options().initializer(coproc::target<keep_all>, many);
  auto executor = co_await this_executor();
  BOOST_CHECK_THROW(coproc::pool(executor, options), std::invalid_argument);
}

CO_TEST_ONCE(a_failing_initializer_ends_with_an_error_that_says_so) {
  coproc::pool workers(co_await this_executor(),
                       pool_options().size(2).initializer(coproc::target<t::set_state_or_throw>, -1));
  auto other = workers.apply_async<t::get_state>();
  auto error = co_await thrown_by<coproc::worker_died>(workers.apply<t::get_state>());
  CHECK_CONTAINS(std::string(error.what()), "initializer");
  CHECK_CONTAINS(std::string(error.what()), "no good state");
  (void)co_await thrown_by<coproc::worker_died>(other.get());
  // It is not broken for good, but says the same.
  (void)co_await thrown_by<coproc::worker_died>(workers.apply<t::get_state>());
}

CO_TEST_ONCE(a_crash_loop_stops_with_a_clear_error) {
  coproc::pool workers(co_await this_executor(),
                       pool_options().size(2).initializer(coproc::target<t::kill_self>));
  auto error = co_await thrown_by<coproc::worker_died>(workers.apply<t::nothing>());
  CHECK_CONTAINS(std::string(error.what()), "gave up");
  CHECK_CONTAINS(std::string(error.what()), "SIGKILL");
  workers.close();
  co_await workers.join();
}

CO_TEST_ONCE(tasks_that_all_die_end_with_a_clear_error) {
  coproc::pool workers(co_await this_executor(), 2);
  std::vector<async_result<int>> tasks;
  for (int i = 0; i != 120; ++i) tasks.push_back(workers.apply_async<t::exit_with>(9));
  std::size_t tried = 0, given_up = 0;
  for (auto& task : tasks) {
    auto error = co_await thrown_by<coproc::worker_died>(task.get());
    BOOST_TEST(error.status.code().value() == 9);
    ++(contains(error.what(), "gave up") ? given_up : tried);
  }
  BOOST_TEST(tried < 100u);
  BOOST_TEST(given_up == tasks.size() - tried);
  // It is not broken for good.
  const int four = co_await workers.apply<t::square>(2);
  BOOST_TEST(four == 4);
}

CO_TEST_ONCE(a_task_that_takes_too_long_is_killed) {
  coproc::pool workers(co_await this_executor(), pool_options().size(1).task_timeout(50ms));
  announcements started;
  auto slow = workers.apply_async<t::announce_and_pause>(started);
  auto next = workers.apply_async<t::own_pid>();
  const int pid = co_await started.get();
  auto error = co_await thrown_by<coproc::timeout_expired>(slow.get());
  BOOST_TEST((error.timeout == 50ms));
  BOOST_TEST(error.status.signal().value() == SIGKILL);
  BOOST_TEST(!alive(pid));
  const int other = co_await next.get();
  BOOST_TEST(other != pid);
}

CO_TEST_ONCE(the_time_of_a_task_counts_from_its_start_and_for_each_item) {
  coproc::pool workers(co_await this_executor(), pool_options().size(1).task_timeout(sanitized ? 2s : 400ms));
  std::vector<async_result<int>> tasks;
  for (int i = 0; i != 6; ++i) tasks.push_back(workers.apply_async<t::sleep_ms>(100)); // all wait longer
  for (auto& task : tasks) {
    const int ms = co_await task.get();
    BOOST_TEST(ms == 100);
  }
  std::vector<int> times(6, 100);
  auto slept = co_await workers.map<t::sleep_ms>(times, map_options().chunk_size(6));
  BOOST_TEST(slept.size() == 6u);
}

CO_TEST_ONCE(results_that_a_busy_host_leaves_unread_are_not_late) {
  coproc::pool workers(co_await this_executor(), pool_options().size(1).task_timeout(sanitized ? 2s : 100ms));
  // What is short is handed ahead, once that is known.
  for (int i = 0; i != 100; ++i) (void)co_await workers.apply<text_of>(16'000);
  const int before = co_await workers.apply<t::own_pid>();
  std::vector<async_result<std::string>> tasks; // with results of more than the ring has room for
  for (int i = 0; i != 24; ++i) tasks.push_back(workers.apply_async<text_of>(16'000));
  co_await tasks.front().wait();
  std::this_thread::sleep_for(sanitized ? 2500ms : 200ms); // the loop is busy
  for (std::size_t i = 24; i-- != 20;) tasks[i].cancel();
  for (std::size_t i = 0; i != 20; ++i) {
    const std::string got = co_await tasks[i].get();
    BOOST_TEST(got.size() == 16'000u);
  }
  const int after = co_await workers.apply<t::own_pid>();
  BOOST_TEST(before == after);
}

CO_TEST_ONCE(a_stopped_worker_is_caught_by_the_timeout) {
  coproc::pool workers(co_await this_executor(), pool_options().size(1).task_timeout(100ms));
  announcements started;
  auto task = workers.apply_async<t::announce_and_pause>(started);
  const int pid = co_await started.get();
  ::kill(pid, SIGSTOP);
  (void)co_await thrown_by<coproc::timeout_expired>(task.get());
  BOOST_TEST(!alive(pid));
  // One that is stopped before it begins loses its worker, and runs elsewhere.
  const int idle = co_await workers.apply<t::own_pid>();
  ::kill(idle, SIGSTOP);
  co_await until_state(idle, 'T');
  const int other = co_await workers.apply<t::own_pid>();
  BOOST_TEST(other != idle);
}

BOOST_AUTO_TEST_SUITE_END()
