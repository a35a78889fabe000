// What the death of a worker costs: the item that it runs, and no other. And that of the fork server.
#include <coproc/pool.hpp>

#include "pool/targets.hpp"
#include "support/co_test.hpp"
#include "support/comes_true.hpp"
#include "support/expect.hpp"
#include "support/pending.hpp"
#include "support/process_info.hpp"

#include <cstddef>
#include <exception>
#include <ranges>
#include <string>
#include <vector>

#include <signal.h>
#include <unistd.h>

using namespace coproc::test;

BOOST_AUTO_TEST_SUITE(pool_deaths)

namespace t = coproc::test::pool_targets;
using coproc::async_result;
using coproc::map_options;
using coproc::pool_options;
using t::announcements;

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

CO_TEST_ONCE(a_death_is_noticed_though_an_heir_holds_the_channel) {
  coproc::pool workers(co_await this_executor(), 1);
  announcements heirs;
  auto task = workers.apply_async<t::leave_heir_and_die>(heirs);
  const int heir = co_await heirs.get();
  killed_at_end end(heir);
  (void)co_await thrown_by<coproc::worker_died>(task.get());
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

BOOST_AUTO_TEST_SUITE_END()
