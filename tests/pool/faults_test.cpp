#include <coproc/pool.hpp>

#include "pool/targets.hpp"
#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/fault.hpp"
#include "support/helper.hpp"
#include "support/host_state.hpp"
#include "support/method_test.hpp"
#include "support/pending.hpp"
#include "support/process_info.hpp"

#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <ranges>
#include <string>
#include <vector>

#include <signal.h>
#include <unistd.h>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(pool_faults)

namespace t = coproc::test::pool_targets;
using coproc::async_result;
using coproc::map_options;
using coproc::pool_options;
using t::announcements;

namespace {

/// Waits, without the pool's doing, until something holds.
template <class Condition>
asio::awaitable<bool> comes_true(Condition condition) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  const auto end = std::chrono::steady_clock::now() + deadline();
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) co_return false;
    timer.expires_after(1ms);
    co_await timer.async_wait(asio::use_awaitable);
  }
  co_return true;
}

} // namespace

CO_TEST_ONCE(a_death_is_told_by_its_status) {
  coproc::pool workers(co_await this_executor(), 1);
  auto exited = co_await thrown_by<coproc::worker_died>(workers.apply<t::exit_with>(7));
  BOOST_TEST(exited.status.code().value() == 7);
  CHECK_CONTAINS(std::string(exited.what()), "exit_with");
  auto clean = co_await thrown_by<coproc::worker_died>(workers.apply<t::exit_with>(0));
  BOOST_TEST(clean.status.code().value() == 0);
  for (int number : {SIGKILL, SIGSEGV, SIGABRT, SIGTERM, SIGXCPU}) {
    auto killed = co_await thrown_by<coproc::worker_died>(workers.apply<t::raise_signal>(number));
    BOOST_TEST(killed.status.signal().value() == number);
    CHECK_CONTAINS(std::string(killed.what()), killed.status.to_string());
  }
  const int four = co_await workers.apply<t::square>(2);
  BOOST_TEST(four == 4);
  BOOST_TEST(workers.stats().restarted == 7u);
  BOOST_TEST(workers.stats().failed == 7u);
}

CO_TEST_ONCE(however_a_task_ends_its_worker_it_fails_alone) {
  using t::death;
  coproc::pool workers(co_await this_executor(), 1);
  for (death how : {death::quick_exit, death::immediate_exit, death::abort, death::uncaught_in_a_thread,
                    death::stack_overflow, death::end_of_thread, death::exec}) {
    BOOST_TEST_INFO_SCOPE("death " << static_cast<int>(how));
    if (sanitized && (how == death::stack_overflow || how == death::end_of_thread))
      continue; // it reports them
    auto before = workers.apply_async<t::square>(2);
    auto dies = workers.apply_async<t::die_by>(how);
    auto after = workers.apply_async<t::square>(3);
    auto error = co_await thrown_by<coproc::worker_died>(dies.get());
    switch (how) {
    case death::quick_exit:
    case death::immediate_exit:
    case death::exec:
      BOOST_TEST(error.status.code().value() == 3);
      break;
    case death::abort:
    case death::uncaught_in_a_thread:
      BOOST_TEST(error.status.signal().value() == SIGABRT);
      break;
    case death::stack_overflow:
      BOOST_TEST(error.status.signal().value() == SIGSEGV);
      break;
    case death::end_of_thread:
      break; // whatever its status says: it is not there any more
    }
    const int four = co_await before.get();
    const int nine = co_await after.get();
    BOOST_TEST(four + nine == 13);
  }
}

CO_TEST_ONCE(a_task_that_finds_no_memory_fails_and_its_worker_lives) {
  coproc::pool workers(co_await this_executor(), 1);
  const int before = co_await workers.apply<t::own_pid>();
  auto error = co_await thrown_by<coproc::remote_error>(workers.apply<t::throw_bad_alloc>());
  CHECK_CONTAINS(error.type(), "bad_alloc");
  const int after = co_await workers.apply<t::own_pid>();
  BOOST_TEST(before == after);
}

CO_TEST_ONCE(a_child_of_a_task_that_returns_from_it_is_no_second_worker) {
  coproc::pool workers(co_await this_executor(), 1);
  co_await workers.apply<t::nothing>();
  for (int round = 0; round != 5; ++round) {
    std::vector<async_result<int>> tasks;
    for (int i = 0; i != 100; ++i)
      tasks.push_back(i == 20 ? workers.apply_async<t::fork_and_return>()
                              : workers.apply_async<t::square>(i));
    for (int i = 0; i != 100; ++i) {
      const int got = co_await tasks[std::size_t(i)].get();
      if (i == 20)
        co_await end_of(got); // the child, whose id the worker gives
      else
        BOOST_TEST(got == i * i);
    }
  }
  BOOST_TEST(workers.stats().completed == 501u);
  BOOST_TEST(workers.stats().restarted == 0u);
}

CO_TEST(a_worker_killed_from_outside_fails_its_task) {
  coproc::pool workers(co_await this_executor(), 1);
  announcements started;
  auto task = workers.apply_async<t::announce_and_pause>(started);
  auto next = workers.apply_async<t::square>(3);
  const int pid = co_await started.get();
  ::kill(pid, SIGKILL);
  auto error = co_await thrown_by<coproc::worker_died>(task.get());
  BOOST_TEST(error.status.signal().value() == SIGKILL);
  const int nine = co_await next.get();
  BOOST_TEST(nine == 9);
}

CO_TEST_ONCE(an_idle_worker_that_is_killed_is_replaced) {
  coproc::pool workers(co_await this_executor(), 1);
  const int first = co_await workers.apply<t::own_pid>();
  ::kill(first, SIGKILL);
  co_await end_of(first);
  const int second = co_await workers.apply<t::own_pid>();
  BOOST_TEST(first != second);
  ::kill(second, SIGKILL);
  co_await end_of(second);
  const bool replaced = co_await comes_true([&] { return workers.stats().restarted == 2u; });
  BOOST_TEST(replaced);
}

CO_TEST_ONCE(each_death_costs_one_task_among_many) {
  coproc::pool workers(co_await this_executor(), 2);
  std::vector<async_result<int>> tasks;
  for (int i = 0; i != 400; ++i)
    tasks.push_back(i % 40 == 13 ? workers.apply_async<t::die_if_odd>(i) : workers.apply_async<t::square>(i));
  for (int i = 0; i != 400; ++i) {
    if (i % 40 == 13) {
      (void)co_await thrown_by<coproc::worker_died>(tasks[std::size_t(i)].get());
    } else {
      const int got = co_await tasks[std::size_t(i)].get();
      BOOST_TEST(got == i * i);
    }
  }
}

CO_TEST_ONCE(a_death_in_a_chunk_costs_one_item) {
  coproc::pool workers(co_await this_executor(), 2);
  auto items = workers.imap<t::die_if_odd>(
      std::views::iota(0, 30) | std::views::transform([](int i) { return i % 10 == 7 ? i : 2 * i; }),
      map_options().chunk_size(10));
  for (int i = 0; i != 30; ++i) {
    bool died = false;
    try {
      auto got = co_await items.next();
      BOOST_TEST(*got == 2 * i);
    } catch (const coproc::worker_died&) {
      died = true;
    }
    BOOST_TEST(died == (i % 10 == 7));
  }
}

CO_TEST_ONCE(map_throws_worker_died) {
  coproc::pool workers(co_await this_executor(), 2);
  std::vector<int> numbers(100, 2);
  numbers[50] = 1;
  (void)co_await thrown_by<coproc::worker_died>(workers.map<t::die_if_odd>(numbers));
  const int four = co_await workers.apply<t::square>(2);
  BOOST_TEST(four == 4);
}

struct dies_when_read {
  int x = 0;
  template <class A>
  void save(A& to) const {
    to(x);
  }
  template <class A>
  void load(A& from) {
    from(x);
    if (x == 13) ::kill(::getpid(), SIGKILL);
  }
};
int read_it(dies_when_read value) { return value.x; }

struct dies_when_written {
  int x = 0;
  template <class A>
  void save(A& to) const {
    if (x == 13) ::kill(::getpid(), SIGKILL);
    to(x);
  }
  template <class A>
  void load(A& from) {
    from(x);
  }
};
dies_when_written write_it(int x) {
  dies_when_written value;
  value.x = x;
  return value;
}

CO_TEST_ONCE(death_while_reading_a_task_or_writing_a_result_is_that_tasks) {
  coproc::pool workers(co_await this_executor(), 1);
  dies_when_read thirteen;
  thirteen.x = 13;
  auto reads = workers.apply_async<read_it>(thirteen);
  auto after = workers.apply_async<t::square>(1);
  (void)co_await thrown_by<coproc::worker_died>(reads.get());
  auto writes = workers.apply_async<write_it>(13);
  auto good = workers.apply_async<write_it>(14);
  (void)co_await thrown_by<coproc::worker_died>(writes.get());
  auto got = co_await good.get();
  BOOST_TEST(got.x == 14);
  const int one = co_await after.get();
  BOOST_TEST(one == 1);
}

CO_TEST_ONCE(death_while_reading_an_item_is_that_items_though_it_came_in_a_chunk) {
  coproc::pool workers(co_await this_executor(), 1);
  std::vector<dies_when_read> all(20);
  for (int i = 0; i != 20; ++i) all[std::size_t(i)].x = i + 5; // the ninth
  auto items = workers.imap<read_it>(all, map_options().chunk_size(20));
  int died = 0;
  for (int i = 0; i != 20; ++i) {
    try {
      auto got = co_await items.next();
      BOOST_TEST(got.value() == i + 5);
    } catch (const coproc::worker_died&) {
      BOOST_TEST(i == 8);
      ++died;
    }
  }
  BOOST_TEST(died == 1);
  BOOST_TEST(workers.stats().restarted == 1u);
}

/// Throws when it is read; half of it has been by then.
struct throws_when_read {
  int x = 0;
  template <class A>
  void save(A& to) const {
    to(x, x);
  }
  template <class A>
  void load(A& from) {
    from(x);
    if (x % 10 == 3) throw std::runtime_error("no good: " + std::to_string(x));
    from(x);
  }
};
int take_it(throws_when_read value) { return value.x; }
throws_when_read give_it(int x) {
  throws_when_read made;
  made.x = x;
  return made;
}

CO_TEST_ONCE(an_item_that_cannot_be_read_fails_alone) {
  coproc::pool workers(co_await this_executor(), 2);
  auto all = std::views::iota(0, 30) | std::views::transform(give_it);
  for (std::size_t chunk : {1u, 4u, 100u}) {
    auto items = workers.imap<take_it>(all, map_options().chunk_size(chunk));
    for (int i = 0; i != 30; ++i) {
      bool failed = false;
      try {
        auto got = co_await items.next();
        BOOST_TEST(got.value() == i);
      } catch (const coproc::remote_error& error) {
        BOOST_TEST(error.message() == "no good: " + std::to_string(i));
        failed = true;
      }
      BOOST_TEST(failed == (i % 10 == 3));
    }
  }
  // Those that can't be read here: nothing is made up for the ones that came with them.
  auto items = workers.imap<give_it>(std::views::iota(0, 30), map_options().chunk_size(5));
  for (int i = 0; i != 30; ++i) {
    try {
      auto got = co_await items.next();
      BOOST_TEST(got.value().x == i);
    } catch (const std::runtime_error& error) {
      CHECK_CONTAINS(std::string(error.what()), "no good");
      BOOST_TEST(i % 10 >= 3);
    }
  }
  auto end = co_await items.next();
  BOOST_TEST(!end.has_value());
}

CO_TEST_ONCE(items_with_handles_travel_in_chunks_that_can_carry_them) {
  coproc::pool workers(co_await this_executor(), 1);
  announcements talk;
  std::vector<announcements> items(300, talk); // more descriptors than one message takes
  co_await workers.map<t::announce>(items, map_options().chunk_size(300));
  BOOST_TEST(talk.qsize() == 300u);
}

struct cannot_be_written {
  template <class A>
  void save(A&) const {
    throw std::runtime_error("this can't be written");
  }
  template <class A>
  void load(A&) {}
};
cannot_be_written make_unwritable() { return {}; }

CO_TEST_ONCE(a_result_that_cannot_be_encoded_is_that_tasks_error) {
  coproc::pool workers(co_await this_executor(), 1);
  auto error = co_await thrown_by<coproc::remote_error>(workers.apply<make_unwritable>());
  BOOST_TEST(error.message() == "this can't be written");
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

CO_TEST_ONCE(a_death_is_noticed_though_an_heir_holds_the_channel) {
  coproc::pool workers(co_await this_executor(), 1);
  announcements heirs;
  auto task = workers.apply_async<t::leave_heir_and_die>(heirs);
  const int heir = co_await heirs.get();
  killed_at_end end(heir);
  (void)co_await thrown_by<coproc::worker_died>(task.get());
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

CO_TEST_ONCE(out_of_descriptors_fails_that_task_and_heals) {
  for (auto call : {coproc::os::call::socketpair, coproc::os::call::memfd_create}) {
    coproc::pool workers(co_await this_executor(), 1);
    {
      fault full(call, EMFILE);
      auto error = co_await thrown_by<std::system_error>(workers.apply<t::square>(1));
      BOOST_TEST((error.code() == std::errc::too_many_files_open));
      BOOST_TEST(full.hits() > 0u);
    }
    const int four = co_await workers.apply<t::square>(2);
    BOOST_TEST(four == 4);
  }
}

CO_TEST_ONCE(arguments_that_find_no_memory_fail_their_call_only) {
  coproc::pool workers(co_await this_executor(), 1);
  co_await workers.apply<t::nothing>();
  const std::string large(3'000'000, 'x');
  {
    fault full(coproc::os::call::memfd_create, EMFILE);
    BOOST_CHECK_THROW((void)workers.apply_async<t::length>(large), std::system_error);
  }
  const std::size_t length = co_await workers.apply<t::length>(large);
  BOOST_TEST(length == large.size());
}

CO_TEST_ONCE(a_handing_that_the_system_refuses_fails_its_task_only) {
  coproc::pool workers(co_await this_executor(), 1);
  co_await workers.apply<t::nothing>();
  const std::string large(100'000, 'x');
  async_result<std::size_t> refused;
  {
    fault full(coproc::os::call::sendmsg, ETOOMANYREFS, 1);
    refused = workers.apply_async<t::length>(large);
    BOOST_TEST(full.hits() == 1u);
  }
  auto error = co_await thrown_by<std::system_error>(refused.get());
  CHECK_CONTAINS(std::string(error.what()), "length");
  const std::size_t length = co_await workers.apply<t::length>(large);
  BOOST_TEST(length == large.size());
}

CO_TEST_ONCE(results_that_find_no_descriptor_fail_and_are_not_taken_for_each_other) {
  coproc::pool workers(co_await this_executor(), 2);
  co_await workers.apply<t::nothing>();
  for (int round = 0; round != 5; ++round) {
    std::vector<async_result<std::string>> tasks;
    std::size_t refused = 0;
    {
      const int next_free = ::dup(0);
      ::close(next_free);
      lowered_limit none_free(RLIMIT_NOFILE, static_cast<rlim_t>(next_free));
      for (char c = 'a'; c <= 'j'; ++c)
        tasks.push_back(workers.apply_async<t::twice>(std::string(40'000, c)));
      (void)co_await thrown_by<std::system_error>(tasks[0].get());
    }
    for (std::size_t i = 0; i != tasks.size(); ++i) {
      try {
        const std::string got = co_await tasks[i].get();
        BOOST_TEST((got == std::string(80'000, static_cast<char>('a' + i))));
      } catch (const std::system_error& error) {
        BOOST_TEST((error.code() == std::errc::too_many_files_open));
        ++refused;
      }
    }
    BOOST_TEST(refused >= 1u);
  }
  const std::string ok = co_await workers.apply<t::twice>(std::string(40'000, 'k'));
  BOOST_TEST(ok.size() == 80'000u);
}

CO_TEST_ONCE(a_result_that_cannot_be_received_now_is_not_taken_for_the_next_one) {
  coproc::pool workers(co_await this_executor(), 1);
  co_await workers.apply<t::nothing>();
  async_result<std::string> first, second;
  {
    fault full(coproc::os::call::recvmsg, ENOMEM);
    first = workers.apply_async<t::twice>(std::string(40'000, 'a'));
    second = workers.apply_async<t::twice>(std::string(40'000, 'b'));
    (void)co_await thrown_by<std::system_error>(first.get());
  }
  try {
    const std::string got = co_await second.get();
    BOOST_TEST((got == std::string(80'000, 'b')));
  } catch (const std::system_error& error) {
    BOOST_TEST((error.code() == std::errc::not_enough_memory));
  }
  const std::string third = co_await workers.apply<t::twice>(std::string(40'000, 'c'));
  BOOST_TEST((third == std::string(80'000, 'c')));
}

// Workers that can't be started.

METHOD_TEST_ONCE(a_start_that_is_refused_fails_its_task_and_heals) {
  if (method == coproc::start_method::fork && sanitized) co_return;
  using os_call = coproc::os::call;
  host_variable in_server("COPROC_TEST_FAULT", "fork 11 2"); // EAGAIN, twice, in a server that starts now
  std::optional<fault> refused, refused_too;
  if (method == coproc::start_method::fork) refused.emplace(os_call::fork, EAGAIN, 2);
  if (method == coproc::start_method::spawn) {
    refused.emplace(os_call::clone3, EAGAIN, 2);
    refused_too.emplace(os_call::vfork, EAGAIN, 2);
  }
  coproc::pool workers(co_await this_executor(), pool_options().size(1).method(method));
  std::vector<async_result<int>> tasks;
  for (int i = 0; i != 10; ++i) tasks.push_back(workers.apply_async<t::square>(i));
  for (int i = 0; i != 10; ++i) {
    if (i < 2) {
      auto error = co_await thrown_by<std::system_error>(tasks[std::size_t(i)].get());
      BOOST_TEST((error.code() == std::errc::resource_unavailable_try_again));
      CHECK_CONTAINS(std::string(error.what()), "PoolWorker");
    } else {
      const int got = co_await tasks[std::size_t(i)].get();
      BOOST_TEST(got == i * i);
    }
  }
  BOOST_TEST(workers.stats().failed == 2u);
}

CO_TEST_ONCE(a_start_that_is_refused_while_another_worker_is_there_fails_nothing) {
  coproc::pool workers(co_await this_executor(), pool_options().size(2).method(coproc::start_method::spawn));
  announcements started, go;
  auto first = workers.apply_async<t::announce_and_wait>(started, go);
  (void)co_await started.get();
  {
    fault no_pairs(coproc::os::call::socketpair, EMFILE);
    auto second = workers.apply_async<t::square>(3);
    const bool refused = co_await comes_true([&] { return no_pairs.hits() >= 3; });
    BOOST_TEST(refused);
    BOOST_TEST(!second.ready());
    co_await go.put(1);
    const int nine = co_await second.get(); // by the first worker
    BOOST_TEST(nine == 9);
  }
  auto third = workers.apply_async<t::announce_and_wait>(started, go);
  auto fourth = workers.apply_async<t::announce_and_wait>(started, go);
  const int one = co_await started.get();
  const int other = co_await started.get(); // both run at once: it has healed
  BOOST_TEST(one != other);
  co_await go.put(1);
  co_await go.put(1);
  co_await third.wait();
  co_await fourth.wait();
}

CO_TEST_ONCE(a_killed_fork_server_is_replaced) {
  coproc::pool workers(co_await this_executor(), pool_options().size(1).max_tasks_per_child(1));
  for (int round = 0; round != 3; ++round) {
    const int server = co_await workers.apply<t::parent_pid>();
    if (server != ::getpid()) {
      ::kill(server, SIGKILL);
      co_await end_of(server);
    }
    // At most one task meets the dead server.
    try {
      co_await workers.apply<t::nothing>();
    } catch (const std::exception& error) {
      BOOST_TEST_MESSAGE(error.what());
    }
    const int four = co_await workers.apply<t::square>(2);
    BOOST_TEST(four == 4);
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

BOOST_AUTO_TEST_SUITE_END()
