// Function processes on the kinds of loops there are, many at once, and from several threads.
#include <coproc/process.hpp>

#include "support/expect.hpp"
#include "support/leak_check.hpp"
#include "support/loops.hpp"
#include "support/method_test.hpp"
#include "support/pending.hpp"

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/execution.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/query.hpp>
#include <asio/strand.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_future.hpp>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(worker_loops)

using coproc::process;
using coproc::start_method;
using coproc::target;

int increment(int n) { return n + 1; }
void pause_for_ever() {
  for (;;) ::pause();
}

asio::awaitable<void> run_some(start_method method, std::atomic<int>& good, int count) {
  for (int i = 0; i != count; ++i) {
    process p{by(method), target<increment>, i};
    co_await p.start();
    int result = co_await p.result();
    if (result == i + 1) ++good;
    process dropped{by(method), target<pause_for_ever>};
    co_await dropped.start();
    bool ended = co_await dropped.join(1ms);
    if (!ended && dropped.is_alive()) ++good;
  }
}

// Under a sanitizer each exec of this program takes its time.
constexpr int many = sanitized ? 12 : 100;

METHOD_TEST_ONCE(a_hundred_at_once) {
  std::vector<std::unique_ptr<process<int>>> all;
  std::vector<pending<void>> starts;
  for (int i = 0; i != many; ++i)
    all.push_back(std::make_unique<process<int>>(by(method), target<increment>, i));
  for (auto& p : all) {
    auto start = co_await beside(p->start());
    starts.push_back(std::move(start));
  }
  for (auto& start : starts) co_await start.result();
  for (int i = 0; i != many; ++i) {
    int result = co_await all[static_cast<std::size_t>(i)]->result();
    BOOST_TEST(result == i + 1);
  }
}

METHOD_TEST_ONCE(a_hundred_dropped_at_once) {
  std::vector<std::unique_ptr<process<void>>> all;
  for (int i = 0; i != many; ++i) {
    all.push_back(std::make_unique<process<void>>(by(method), target<pause_for_ever>));
    co_await all.back()->start();
  }
  all.clear();
}

// A fork of a host with several threads is up to the host: none here.
const start_method for_threads[] = {start_method::forkserver, start_method::spawn};

BOOST_AUTO_TEST_CASE(loop_for_each_thread) {
  leak_check nothing_left;
  std::atomic<int> good{0};
  {
    std::vector<std::thread> threads;
    for (int i = 0; i != 4; ++i)
      threads.emplace_back([&] {
        asio::io_context loop(1);
        for (start_method method : for_threads)
          asio::co_spawn(loop, run_some(method, good, 3), asio::detached);
        loop.run_for(deadline());
      });
    for (auto& thread : threads) thread.join();
  }
  BOOST_TEST(good == 4 * 2 * 3 * 2);
}

BOOST_AUTO_TEST_CASE(loop_run_by_four_threads) {
  for (bool stranded : {true, false}) {
    leak_check nothing_left;
    std::atomic<int> good{0};
    {
      asio::io_context loop;
      for (int i = 0; i != 4; ++i)
        for (start_method method : for_threads)
          if (stranded)
            asio::co_spawn(asio::make_strand(loop), run_some(method, good, 3), asio::detached);
          else
            asio::co_spawn(loop, run_some(method, good, 3), asio::detached);
      std::vector<std::thread> threads;
      for (int i = 0; i != 4; ++i) threads.emplace_back([&] { loop.run_for(deadline()); });
      for (auto& thread : threads) thread.join();
      BOOST_TEST(loop.stopped());
    }
    BOOST_TEST(good == 4 * 2 * 3 * 2);
  }
}

BOOST_AUTO_TEST_CASE(strand_on_one_thread) {
  leak_check nothing_left;
  std::atomic<int> good{0};
  asio::io_context loop;
  auto strand = asio::make_strand(loop);
  for (start_method method : {start_method::forkserver, start_method::spawn, start_method::fork})
    asio::co_spawn(strand, run_some(method, good, 3), asio::detached);
  loop.run_for(deadline());
  BOOST_TEST(good == 18);
}

BOOST_AUTO_TEST_CASE(thread_pool_is_a_context_like_any) {
  leak_check nothing_left;
  std::atomic<int> good{0};
  {
    asio::thread_pool pool(3);
    std::vector<std::future<void>> all;
    for (start_method method : for_threads)
      for (int i = 0; i != 3; ++i)
        all.push_back(asio::co_spawn(asio::make_strand(pool), run_some(method, good, 2), asio::use_future));
    for (auto& one : all) one.get();
    pool.join();
  }
  BOOST_TEST(good == 2 * 3 * 2 * 2);
}

BOOST_AUTO_TEST_CASE(thread_pool_destroyed_with_children_alive) {
  leak_check nothing_left;
  std::atomic<int> good{0};
  for (int i = 0; i != 5; ++i) {
    asio::thread_pool pool(2);
    for (start_method method : for_threads)
      for (int j = 0; j != 3; ++j) asio::co_spawn(pool, run_some(method, good, 100), asio::detached);
    asio::co_spawn(pool, run_some(start_method::forkserver, good, 1), asio::use_future).get();
    pool.stop();
  }
}

/// A child that has children of its own, by every method.
asio::awaitable<int> children_of_a_child() {
  std::atomic<int> good{0};
  for (start_method method : {start_method::forkserver, start_method::spawn, start_method::fork})
    co_await run_some(method, good, 1);
  co_return good.load();
}

/// An executor of the user's: counts what runs on it.
struct counting {
  asio::io_context::executor_type inner;
  std::atomic<int>* count;
  asio::execution_context& query(asio::execution::context_t) const noexcept {
    return asio::query(inner, asio::execution::context);
  }
  static constexpr asio::execution::blocking_t query(asio::execution::blocking_t) noexcept {
    return asio::execution::blocking.never;
  }
  template <class Function>
  void execute(Function function) const {
    ++*count;
    asio::post(inner, std::move(function)); // never runs it here
  }
  bool operator==(const counting&) const noexcept = default;
};

BOOST_AUTO_TEST_CASE(executor_of_any_kind) {
  for (start_method method : for_threads) {
    std::atomic<int> good{0};
    {
      leak_check nothing_left;
      asio::io_context loop;
      std::atomic<int> count{0};
      const asio::any_io_executor own = counting{loop.get_executor(), &count};
      const asio::any_io_executor strand = asio::make_strand(loop);
      asio::co_spawn(own, run_some(method, good, 3), asio::detached);
      asio::co_spawn(asio::make_strand(strand), run_some(method, good, 3), asio::detached);
      asio::co_spawn(asio::make_strand(own), run_some(method, good, 3), asio::detached);
      loop.run();
      BOOST_TEST(count > 0);
    }
    {
      leak_check nothing_left;
      asio::thread_pool pool(2);
      const asio::any_io_executor strand = asio::make_strand(pool);
      asio::co_spawn(strand, run_some(method, good, 3), asio::use_future).get();
      asio::co_spawn(asio::make_strand(strand), run_some(method, good, 3), asio::use_future).get();
    }
    BOOST_TEST(good == 5 * 2 * 3);
  }
}

METHOD_TEST_ONCE(children_have_children) {
  process p{by(method), target<children_of_a_child>};
  co_await p.start();
  int good = co_await p.result();
  BOOST_TEST(good == 6);
}

BOOST_AUTO_TEST_SUITE_END()
