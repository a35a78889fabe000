#include <coproc/pool.hpp>

#include <coproc/this_process.hpp>

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
#include <list>
#include <map>
#include <numeric>
#include <ranges>
#include <set>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include <malloc.h>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(pool)

namespace t = coproc::test::pool_targets;
using coproc::async_result;
using coproc::map_options;
using coproc::pool_options;
using t::announcements;

namespace {

/// A vector: g++ 12 to 14 take no std::initializer_list in a co_await expression.
template <class T, class... U>
std::vector<T> list_of(U... items) {
  std::vector<T> made;
  (made.push_back(T(items)), ...);
  return made;
}

} // namespace

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

CO_TEST_ONCE(large_arguments_and_results_cross) {
  coproc::pool workers(co_await this_executor(), 2);
  for (std::size_t size : {1u, 100u, 5'000u, 16'383u, 16'384u, 17'000u, 100'000u, 300'000u, 3'000'000u}) {
    std::string text(size, 'x');
    text.back() = 'y';
    const std::string twice = co_await workers.apply<t::twice>(text);
    BOOST_TEST((twice == text + text));
  }
}

CO_TEST_ONCE(many_sizes_wrap_around_the_ring) {
  coproc::pool workers(co_await this_executor(), 2);
  std::vector<async_result<std::string>> results;
  for (std::size_t i = 0; i != 600; ++i)
    results.push_back(
        workers.apply_async<t::twice>(std::string((i * 131) % 9000, static_cast<char>('a' + i % 26))));
  for (std::size_t i = 0; i != 600; ++i) {
    const std::string got = co_await results[i].get();
    BOOST_TEST((got == std::string(2 * ((i * 131) % 9000), static_cast<char>('a' + i % 26))));
  }
}

// apply_async

CO_TEST(apply_async_runs_without_being_awaited) {
  coproc::pool workers(co_await this_executor(), 1);
  announcements started;
  workers.apply_async<t::announce_and_pause>(started);
  const int pid = co_await started.get();
  BOOST_TEST(pid > 0);
}

CO_TEST_ONCE(an_async_result_can_be_asked_again_and_copied) {
  coproc::pool workers(co_await this_executor(), 1);
  async_result<int> task = workers.apply_async<t::square>(5);
  async_result<int> copy = task;
  BOOST_TEST(!task.ready());
  co_await task.wait();
  BOOST_TEST(copy.ready());
  BOOST_TEST(copy.successful());
  const int a = co_await task.get();
  const int b = co_await copy.get();
  BOOST_TEST(a + b == 50);
  async_result<int> bad = workers.apply_async<t::throw_if_odd>(1);
  co_await bad.wait();
  BOOST_TEST(!bad.successful());
  for (int i = 0; i != 2; ++i) (void)co_await thrown_by<coproc::remote_error>(bad.get());
}

CO_TEST_ONCE(a_result_that_only_moves_can_be_taken_once) {
  coproc::pool workers(co_await this_executor(), 1);
  auto task = workers.apply_async<t::boxed>(6);
  auto box = co_await task.get();
  BOOST_TEST(*box == 6);
  (void)co_await thrown_by<std::logic_error>(task.get());
}

CO_TEST_ONCE(an_empty_async_result_is_a_logic_error) {
  async_result<int> none;
  BOOST_CHECK_THROW((void)none.ready(), std::logic_error);
  (void)co_await thrown_by<std::logic_error>([&] { return none.get(); });
}

CO_TEST_ONCE(get_with_a_limit_gives_up_and_the_task_goes_on) {
  coproc::pool workers(co_await this_executor(), 1);
  announcements started, go;
  auto task = workers.apply_async<t::announce_and_wait>(started, go);
  auto error = co_await thrown_by<coproc::timeout_expired>(task.get(10ms));
  CHECK_CONTAINS(std::string(error.what()), "announce_and_wait");
  BOOST_TEST(!task.ready());
  co_await go.put(3);
  const int three = co_await task.get(deadline());
  BOOST_TEST(three == 3);
}

CO_TEST_ONCE(an_async_result_outlives_its_pool) {
  auto workers = std::make_unique<coproc::pool>(co_await this_executor(), 1);
  announcements started;
  auto done = workers->apply_async<t::square>(2);
  co_await done.wait();
  auto running = workers->apply_async<t::announce_and_pause>(started);
  auto queued = workers->apply_async<t::square>(3);
  (void)co_await started.get();
  workers.reset();
  const int four = co_await done.get();
  BOOST_TEST(four == 4);
  BOOST_TEST(running.ready());
  (void)co_await thrown_by<coproc::pool_terminated>(running.get());
  (void)co_await thrown_by<coproc::pool_terminated>(queued.get());
  queued.cancel(); // harmless
}

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

// map

CO_TEST(map_keeps_the_order) {
  coproc::pool workers(co_await this_executor(), 2);
  std::vector<int> numbers(500);
  std::iota(numbers.begin(), numbers.end(), 0);
  std::vector<int> squares = co_await workers.map<t::square>(numbers);
  BOOST_REQUIRE(squares.size() == numbers.size());
  for (std::size_t i = 0; i != numbers.size(); ++i) BOOST_TEST(squares[i] == numbers[i] * numbers[i]);
}

CO_TEST_ONCE(map_keeps_the_order_when_later_items_are_faster) {
  coproc::pool workers(co_await this_executor(), 3);
  std::vector<int> times{60, 1, 30, 2, 5, 1, 1};
  std::vector<int> slept = co_await workers.map<t::sleep_ms>(times, map_options().chunk_size(1));
  BOOST_TEST(slept == times, boost::test_tools::per_element());
}

CO_TEST_ONCE(map_takes_any_range_and_chunk_size) {
  coproc::pool workers(co_await this_executor(), 2);
  std::vector<int> none;
  auto empty = co_await workers.map<t::square>(none);
  BOOST_TEST(empty.empty());
  std::list<std::string> texts{"a", "bc", "def"};
  auto lengths = co_await workers.map<t::length>(texts);
  BOOST_TEST(lengths == (list_of<std::size_t>(1, 2, 3)), boost::test_tools::per_element());
  auto generated = std::views::iota(0, 100) | std::views::filter([](int x) { return x % 2 == 0; });
  for (std::size_t size : {1u, 2u, 7u, 50u, 1000u}) {
    auto squares = co_await workers.map<t::square>(generated, map_options().chunk_size(size));
    BOOST_REQUIRE(squares.size() == 50u);
    BOOST_TEST(squares[49] == 98 * 98);
  }
  auto moved = co_await workers.map<t::length>(list_of<std::string>("one", "three"));
  BOOST_TEST(moved[1] == 5u);
  co_await workers.map<t::print>(list_of<std::string>("", ""));
}

struct padded {
  char letter;
  int number;
};
int number_of(padded p) { return p.number + p.letter; }
padded make_padded(int x) { return {'a', x}; }

CO_TEST_ONCE(flat_structs_cross_in_blocks) {
  coproc::pool workers(co_await this_executor(), 2);
  std::vector<padded> items;
  for (int i = 0; i != 1000; ++i) items.push_back({'a', i});
  auto numbers = co_await workers.map<number_of>(items);
  for (int i = 0; i != 1000; ++i) BOOST_TEST(numbers[std::size_t(i)] == i + 'a');
  auto back = co_await workers.map<make_padded>(numbers);
  BOOST_TEST(back[999].number == 999 + 'a');
}

CO_TEST_ONCE(starmap_spreads_tuples) {
  coproc::pool workers(co_await this_executor(), 2);
  std::vector<std::tuple<int, int>> sums{{1, 2}, {3, 4}};
  auto results = co_await workers.starmap<t::add>(sums);
  BOOST_TEST(results == (list_of<int>(3, 7)), boost::test_tools::per_element());
  std::map<int, int> pairs{{1, 10}, {2, 20}};
  auto more = co_await workers.starmap<t::add>(pairs);
  BOOST_TEST(more == (list_of<int>(11, 22)), boost::test_tools::per_element());
}

CO_TEST_ONCE(map_throws_what_an_item_threw) {
  coproc::pool workers(co_await this_executor(), 2);
  auto error =
      co_await thrown_by<coproc::remote_error>(workers.map<t::throw_if_odd>(list_of<int>(0, 2, 4, 5, 6)));
  BOOST_TEST(error.message() == "odd: 5");
  const int four = co_await workers.apply<t::square>(2);
  BOOST_TEST(four == 4);
}

CO_TEST_ONCE(stats_count_items) {
  coproc::pool workers(co_await this_executor(), 2);
  (void)co_await workers.map<t::square>(std::vector<int>(1234, 2));
  BOOST_TEST(workers.stats().completed == 1234u);
  BOOST_TEST(workers.stats().queued == 0u);
  BOOST_TEST(workers.stats().running == 0u);
}

CO_TEST_ONCE(progress_is_reported_to_its_end) {
  auto last = std::make_shared<coproc::progress>();
  auto all = std::make_shared<coproc::progress>();
  auto note = [all](coproc::progress now) { *all = now; };
  coproc::pool workers(co_await this_executor(), pool_options().size(2).on_progress(note));
  auto report = [last](coproc::progress now) {
    BOOST_TEST(now.completed >= last->completed);
    *last = now;
  };
  (void)co_await workers.map<t::square>(std::vector<int>(100, 2), map_options().on_progress(report));
  co_await breathe();
  BOOST_TEST(last->completed == 100u);
  BOOST_TEST(last->total == 100u);
  BOOST_TEST(all->completed == 100u);
}

// imap

CO_TEST(imap_gives_results_in_order) {
  coproc::pool workers(co_await this_executor(), 2);
  auto squares = workers.imap<t::square>(std::views::iota(0, 200));
  int expected = 0;
  while (auto got = co_await squares.next()) {
    BOOST_TEST(*got == expected * expected);
    ++expected;
  }
  BOOST_TEST(expected == 200);
  auto after = co_await squares.next();
  BOOST_TEST(!after.has_value());
}

CO_TEST_ONCE(empty_stream_is_a_logic_error) {
  coproc::result_stream<int> none;
  co_await thrown_by<std::logic_error>(none.next());
}

CO_TEST_ONCE(imap_holds_a_bounded_window_of_an_endless_range) {
  coproc::pool workers(co_await this_executor(), 2);
  auto read = std::make_shared<int>(0);
  auto endless = std::views::iota(0) | std::views::transform([read](int x) {
                   ++*read;
                   return x;
                 });
  auto squares = workers.imap<t::square>(endless, map_options().window(10));
  for (int i = 0; i != 1000; ++i) {
    auto got = co_await squares.next();
    BOOST_TEST(*got == i * i);
    BOOST_TEST(*read <= i + 1 + 10);
  }
}

CO_TEST_ONCE(imap_unordered_gives_what_comes_first) {
  coproc::pool workers(co_await this_executor(), 2);
  auto slept = workers.imap_unordered<t::sleep_ms>(list_of<int>(200, 1, 2, 3), map_options().chunk_size(1));
  std::vector<int> order;
  while (auto ms = co_await slept.next()) order.push_back(*ms);
  BOOST_TEST(order.size() == 4u);
  BOOST_TEST(order.back() == 200);
}

CO_TEST_ONCE(after_a_failed_item_next_goes_on) {
  coproc::pool workers(co_await this_executor(), 2);
  for (std::size_t chunk : {1u, 3u, 100u}) {
    auto items = workers.imap<t::throw_if_odd>(std::views::iota(0, 20), map_options().chunk_size(chunk));
    int values = 0, errors = 0;
    for (int i = 0; i != 20; ++i) {
      try {
        auto got = co_await items.next();
        BOOST_TEST(*got == i);
        ++values;
      } catch (const coproc::remote_error& e) {
        BOOST_TEST(e.message() == "odd: " + std::to_string(i));
        ++errors;
      }
    }
    BOOST_TEST(values == 10);
    BOOST_TEST(errors == 10);
    auto end = co_await items.next();
    BOOST_TEST(!end);
  }
}

/// Numbers, and then an exception.
struct failing_range {
  struct iterator {
    using value_type = int;
    using difference_type = std::ptrdiff_t;
    int at = 0;
    int operator*() const { return at; }
    iterator& operator++() {
      if (++at == 5) throw std::runtime_error("the range fails");
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return false; }
  };
  iterator begin() { return {}; }
  std::default_sentinel_t end() { return {}; }
};

CO_TEST_ONCE(what_the_range_throws_comes_last) {
  coproc::pool workers(co_await this_executor(), 2);
  failing_range range;
  auto items = workers.imap<t::square>(range);
  for (int i = 0; i != 5; ++i) {
    auto got = co_await items.next();
    BOOST_TEST(*got == i * i);
  }
  (void)co_await thrown_by<std::runtime_error>(items.next());
  auto end = co_await items.next();
  BOOST_TEST(!end);
  (void)co_await thrown_by<std::runtime_error>(workers.map<t::square>(range));
}

/// An argument that can't be encoded if it is 5, as is noticed when half of it is written.
struct picky {
  int x = 0;
  template <class A>
  void save(A& to) const {
    to(x);
    if (x == 5) throw std::runtime_error("not five");
    to(x);
  }
  template <class A>
  void load(A& from) {
    from(x, x);
  }
};
int value_of(const picky& p) { return p.x; }
picky picky_one(int x) {
  picky made;
  made.x = x;
  return made;
}

CO_TEST_ONCE(what_an_argument_throws_when_it_is_encoded_comes_last) {
  coproc::pool workers(co_await this_executor(), 2);
  auto all = std::views::iota(0, 10) | std::views::transform(picky_one);
  for (std::size_t chunk : {1u, 3u, 100u}) {
    auto items = workers.imap<value_of>(all, map_options().chunk_size(chunk));
    for (int i = 0; i != 5; ++i) {
      auto got = co_await items.next();
      BOOST_TEST(got.value() == i);
    }
    (void)co_await thrown_by<std::runtime_error>(items.next());
    auto end = co_await items.next();
    BOOST_TEST(!end.has_value());
  }
  auto five = picky_one(5);
  BOOST_CHECK_THROW((void)workers.apply_async<value_of>(five), std::runtime_error);
  (void)co_await thrown_by<std::runtime_error>([&] { return workers.apply<value_of>(five); });
  (void)co_await thrown_by<std::runtime_error>(workers.map<value_of>(all));
  const int four = co_await workers.apply<value_of>(picky_one(4));
  BOOST_TEST(four == 4);
}

CO_TEST_ONCE(results_may_be_nothing_or_only_movable) {
  coproc::pool workers(co_await this_executor(), 2);
  auto texts = list_of<std::string>("", "");
  auto done = workers.imap<t::print>(texts);
  int count = 0;
  while (co_await done.next()) ++count;
  BOOST_TEST(count == 2);
  auto nothing = workers.apply_async<t::nothing>();
  for (int i = 0; i != 2; ++i) co_await nothing.get();
  auto boxes = co_await workers.map<t::boxed>(list_of<int>(1, 2, 3));
  BOOST_TEST(*boxes.at(2) == 3);
  auto values = co_await workers.map<t::unboxed>(boxes); // where they are
  BOOST_TEST(values.at(2) == 3);
  auto more = workers.imap_unordered<t::boxed>(list_of<int>(4));
  auto four = co_await more.next();
  BOOST_TEST(**four == 4);
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

CO_TEST_ONCE(a_stream_can_be_dropped_and_outlives_its_pool) {
  auto workers = std::make_unique<coproc::pool>(co_await this_executor(), 2);
  {
    auto dropped = workers->imap<t::square>(std::views::iota(0));
    (void)co_await dropped.next();
  }
  const int four = co_await workers->apply<t::square>(2);
  BOOST_TEST(four == 4);
  auto items = workers->imap<t::sleep_ms>(std::views::iota(1));
  (void)co_await items.next();
  workers.reset();
  bool terminated = false;
  for (int i = 0; i != 1000 && !terminated; ++i) {
    try {
      auto got = co_await items.next();
      BOOST_REQUIRE(got.has_value());
    } catch (const coproc::pool_terminated&) {
      terminated = true;
    }
  }
  BOOST_TEST(terminated);
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
