#include <coproc/async_result.hpp>

#include <coproc/pool.hpp>

#include "pool/targets.hpp"
#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/pending.hpp"

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(async_result)

namespace t = coproc::test::pool_targets;
using coproc::async_result;
using t::announcements;

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

BOOST_AUTO_TEST_SUITE_END()
