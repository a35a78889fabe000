// Tasks that do harm to their own worker, and to what it shares with the pool.
#include <coproc/pool.hpp>

#include "pool/targets.hpp"
#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/host_state.hpp"
#include "support/pending.hpp"
#include "support/process_info.hpp"

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include <signal.h>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(pool_damage)

namespace t = coproc::test::pool_targets;
using coproc::async_result;
using coproc::pool_options;
using t::announcements;

CO_TEST_ONCE(garbage_on_stdout_does_nothing) {
  coproc::pool workers(co_await this_executor(), 1);
  const int before = co_await workers.apply<t::own_pid>();
  co_await workers.apply<t::write_garbage_to_stdout>();
  const int after = co_await workers.apply<t::own_pid>();
  BOOST_TEST(before == after);
}

CO_TEST_ONCE(garbage_on_the_channel_fails_that_workers_task_and_no_other) {
  coproc::pool workers(co_await this_executor(), 2);
  announcements started, go;
  auto bystander = workers.apply_async<t::announce_and_wait>(started, go);
  (void)co_await started.get();
  const std::vector<std::size_t> sizes{3, 60, 100'000}; // a header has 24
  for (std::size_t bytes : sizes) {
    auto error = co_await thrown_by<coproc::worker_died>(
        workers.apply<t::write_garbage_to_channels>(t::and_then::pause, bytes));
    BOOST_TEST_CONTEXT(bytes) BOOST_TEST(error.status.signal().value() == SIGKILL); // the pool's doing
  }
  co_await go.put(1);
  const int one = co_await bystander.get();
  BOOST_TEST(one == 1);
}

CO_TEST_ONCE(garbage_among_many_tasks_costs_one_at_most) {
  coproc::pool workers(co_await this_executor(), 2);
  co_await workers.apply<t::nothing>();
  std::vector<async_result<int>> tasks;
  for (int i = 0; i != 200; ++i)
    tasks.push_back(
        i == 50 ? workers.apply_async<t::write_garbage_to_channels>(t::and_then::go_on, std::size_t(60))
                : workers.apply_async<t::square>(i));
  int died = 0;
  for (int i = 0; i != 200; ++i) {
    try {
      const int got = co_await tasks[std::size_t(i)].get();
      BOOST_TEST(got == (i == 50 ? -1 : i * i));
    } catch (const coproc::worker_died&) {
      ++died; // the one that ran when it was noticed
    }
  }
  // It may be noticed later only: when the host waits for that worker. And its place is taken when there is
  // work for two.
  for (int i = 0; i != 1000 && workers.stats().restarted == 0; ++i) {
    std::vector<async_result<int>> some;
    for (int n = 0; n != 4; ++n) some.push_back(workers.apply_async<t::sleep_ms>(2));
    for (auto& task : some) {
      try {
        (void)co_await task.get();
      } catch (const coproc::worker_died&) {
        ++died;
      }
    }
  }
  BOOST_TEST(died <= 1);
  BOOST_TEST(workers.stats().restarted == 1u);
}

CO_TEST_ONCE(a_task_that_overwrites_shared_memory_fails_and_is_not_started_again) {
  coproc::pool workers(co_await this_executor(), pool_options().size(2).task_timeout(sanitized ? 2s : 200ms));
  announcements started, go;
  scratch_directory folder;
  const std::string file = folder.file("file", "").string();
  co_await workers.apply<t::nothing>();
  auto wild = workers.apply_async<t::overwrite_shared_memory>(file);
  std::vector<async_result<int>> tasks;
  for (int i = 0; i != 50; ++i) tasks.push_back(workers.apply_async<t::square>(i));
  co_await wild.wait();
  BOOST_TEST(!wild.successful());
  for (int i = 0; i != 50; ++i) {
    const int got = co_await tasks[std::size_t(i)].get();
    BOOST_TEST(got == i * i);
  }
  BOOST_TEST(std::filesystem::file_size(file) == 1u);
}

CO_TEST_ONCE(a_task_that_closes_all_descriptors_harms_no_other) {
  const std::vector<int> pauses{0, 50}; // the host learns of it after the result, or before it
  for (int pause : pauses) {
    coproc::pool workers(co_await this_executor(), 1);
    co_await workers.apply<t::nothing>();
    auto first = workers.apply_async<t::close_descriptors>(pause);
    std::vector<async_result<int>> tasks;
    for (int i = 0; i != 50; ++i) tasks.push_back(workers.apply_async<t::square>(i));
    const int pid = co_await first.get(); // its result was there before anything was missing
    BOOST_TEST(pid > 0);
    for (int i = 0; i != 50; ++i) {
      const int got = co_await tasks[std::size_t(i)].get();
      BOOST_TEST(got == i * i);
    }
    // Nothing would tell it of the host's end any more.
    co_await end_of(pid);
  }
}

BOOST_AUTO_TEST_SUITE_END()
