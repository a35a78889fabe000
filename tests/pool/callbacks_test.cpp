// What the pool calls that is its user's: the range that it reads, and on_progress.
#include <coproc/pool.hpp>

#include "pool/targets.hpp"
#include "pool/until_completed.hpp"
#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/leak_check.hpp"
#include "support/pending.hpp"

#include <asio/io_context.hpp>

#include <cstddef>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <utility>
#include <vector>

using namespace coproc::test;

BOOST_AUTO_TEST_SUITE(pool_callbacks)

namespace t = coproc::test::pool_targets;
using coproc::async_result;
using coproc::map_options;
using coproc::pool_options;
using t::announcements;

CO_TEST_ONCE(a_pool_may_be_ended_by_the_range_that_it_reads) {
  for (bool destroy : {false, true}) {
    auto workers = std::make_unique<coproc::pool>(co_await this_executor(), 2);
    auto fatal = std::views::iota(0) | std::views::transform([&](int x) {
                   if (x == 200 && destroy) workers.reset();
                   if (x == 200 && workers) workers->terminate();
                   return x;
                 });
    auto items = workers->imap<t::square>(fatal, map_options().chunk_size(3));
    int got = 0, failed = 0;
    for (bool more = true; more;) {
      try {
        auto next = co_await items.next();
        more = next.has_value();
        got += more;
      } catch (const coproc::pool_terminated&) {
        ++failed;
      }
    }
    BOOST_TEST(got <= 200);
    BOOST_TEST(failed >= 1);
    BOOST_TEST(!destroy == (workers != nullptr));
    if (workers) co_await workers->join();
  }
}

BOOST_AUTO_TEST_CASE(on_progress_may_destroy_the_pool) {
  leak_check leaks;
  asio::io_context loop;
  std::unique_ptr<coproc::pool> workers;
  int calls = 0;
  auto destroy = [&](coproc::progress now) {
    ++calls;
    BOOST_TEST(now.done() > 0u);
    workers.reset();
  };
  workers = std::make_unique<coproc::pool>(loop.get_executor(), pool_options().size(2).on_progress(destroy));
  std::vector<async_result<int>> tasks;
  for (int i = 0; i != 500; ++i) tasks.push_back(workers->apply_async<t::square>(i));
  loop.run();
  BOOST_TEST(calls == 1);
  for (auto& task : tasks) BOOST_TEST(task.ready());
}

BOOST_AUTO_TEST_CASE(what_on_progress_throws_the_loop_throws_and_the_pool_goes_on) {
  leak_check leaks;
  asio::io_context loop;
  int calls = 0;
  auto fail = [&](coproc::progress) {
    if (++calls == 1) throw std::runtime_error("no progress");
  };
  coproc::pool workers(loop.get_executor(), pool_options().size(1).on_progress(fail));
  auto first = workers.apply_async<t::square>(2);
  BOOST_CHECK_THROW(loop.run(), std::runtime_error);
  loop.restart();
  loop.run();
  BOOST_TEST(first.successful());
  auto second = workers.apply_async<t::square>(3);
  loop.restart();
  loop.run();
  BOOST_TEST(second.successful());
  BOOST_TEST(calls >= 2);
}

CO_TEST_ONCE(on_progress_is_not_called_once_its_stream_is_gone) {
  coproc::pool workers(co_await this_executor(), 1);
  announcements go;
  std::vector<announcements> items(3, go);
  int calls = 0;
  auto report = [&](coproc::progress) { ++calls; };
  auto results = std::make_unique<coproc::result_stream<int>>(
      workers.imap<t::wait_for>(items, map_options().chunk_size(1).on_progress(report)));
  co_await go.put(1);
  co_await until_completed(workers, 1);
  BOOST_TEST(calls == 0);
  results.reset();
  co_await breathe();
  BOOST_TEST(calls == 0);
  workers.terminate();
}

CO_TEST_ONCE(on_progress_is_not_called_once_its_pool_is_gone) {
  int calls = 0;
  auto report = [&](coproc::progress) { ++calls; };
  auto workers =
      std::make_unique<coproc::pool>(co_await this_executor(), pool_options().size(1).on_progress(report));
  announcements go;
  auto first = workers->apply_async<t::wait_for>(go);
  auto second = co_await beside(workers->apply<t::wait_for>(go));
  co_await go.put(1);
  co_await until_completed(*workers, 1);
  BOOST_TEST(calls == 0);
  workers.reset();
  const bool aborted = co_await second.aborted();
  BOOST_TEST(aborted);
  co_await breathe();
  BOOST_TEST(calls == 0);
}

CO_TEST_ONCE(a_range_that_is_read_because_a_worker_died_may_destroy_the_pool_and_throw) {
  auto workers = std::make_unique<coproc::pool>(co_await this_executor(), 1);
  auto fatal = std::views::iota(1) | std::views::transform([&](int x) {
                 if (x != 4) return x;
                 workers.reset();
                 throw std::runtime_error("the range fails");
               });
  auto items = workers->imap<t::die_if_odd>(fatal, map_options().chunk_size(1));
  BOOST_TEST_REQUIRE(workers != nullptr); // three are read ahead
  (void)co_await thrown_by<coproc::worker_died>(items.next());
  (void)co_await thrown_by<coproc::pool_terminated>(items.next());
  (void)co_await thrown_by<coproc::pool_terminated>(items.next());
  (void)co_await thrown_by<std::runtime_error>(items.next());
  auto end = co_await items.next();
  BOOST_TEST(!end.has_value());
  BOOST_TEST(workers == nullptr);
}

CO_TEST_ONCE(a_range_may_use_the_pool_that_reads_it) {
  coproc::pool workers(co_await this_executor(), 2);
  auto inner = std::make_shared<std::vector<async_result<int>>>();
  auto greedy = std::views::iota(0, 300) | std::views::transform([&workers, inner](int x) {
                  inner->push_back(workers.apply_async<t::square>(x));
                  if (x % 7 == 3) inner->at(std::size_t(x) / 2).cancel();
                  return x;
                });
  auto squares = co_await workers.map<t::square>(greedy);
  BOOST_REQUIRE(squares.size() == 300u);
  BOOST_TEST(squares[299] == 299 * 299);
  for (auto& task : *inner) co_await task.wait();
}

BOOST_AUTO_TEST_SUITE_END()
