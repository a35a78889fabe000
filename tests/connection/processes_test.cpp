// Ends that go to other processes: as arguments, as results, in a fork.
#include <coproc/connection.hpp>
#include <coproc/make_pipe.hpp>

#include <coproc/pool.hpp>
#include <coproc/process.hpp>

#include "connection/question.hpp"
#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/method_test.hpp"
#include "support/pending.hpp"

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(connection_processes)

using coproc::connection_closed;
using coproc::make_pipe;
using coproc::process;
using coproc::target;

asio::awaitable<void> shout_back(coproc::connection<std::string, question> from) {
  try {
    for (;;) {
      question asked = co_await from.recv();
      std::string answer = asked.text + "!";
      co_await from.send(answer);
    }
  } catch (const connection_closed&) {
  }
}

void shout_back_blocking(coproc::connection<std::string, question> from) {
  try {
    for (;;) from.blocking_send(from.blocking_recv().text + "!");
  } catch (const connection_closed&) {
  }
}

template <auto Function>
asio::awaitable<void> talk(coproc::start_method method) {
  auto [mine, its] = make_pipe<question, std::string>();
  process child{coproc::process_options().method(method), target<Function>, std::move(its)};
  co_await child.start();
  for (int i = 0; i != 10; ++i) {
    question asked;
    asked.text = std::to_string(i);
    co_await mine.send(asked);
    std::string answer = co_await mine.recv();
    BOOST_TEST(answer == asked.text + "!");
  }
  mine.close(); // which ends the child
  co_await child.join();
  BOOST_TEST(child.exitcode().value() == 0);
}

CO_TEST_ONCE(parent_and_child_talk) {
  for (auto method :
       {coproc::start_method::forkserver, coproc::start_method::spawn, coproc::start_method::fork}) {
    co_await talk<shout_back>(method);
    co_await talk<shout_back_blocking>(method);
  }
}

int add_up(coproc::connection<int> numbers) {
  int sum = 0;
  try {
    for (;;) sum += numbers.blocking_recv();
  } catch (const connection_closed&) {
  }
  return sum;
}

struct producer_job {
  coproc::connection<int> to;
  int count = 0;
};

void produce(producer_job job) {
  for (int i = 1; i <= job.count; ++i) job.to.blocking_send(i);
}

CO_TEST_ONCE(two_children_talk_to_each_other) {
  auto [a, b] = make_pipe<int>();
  producer_job job;
  job.to = std::move(a);
  job.count = 1000;
  process producer{target<produce>, std::move(job)};
  process consumer{target<add_up>, std::move(b)};
  co_await producer.start();
  co_await consumer.start();
  int sum = co_await consumer.result();
  BOOST_TEST(sum == 500500);
  co_await producer.result();
}

void pause_for_ever() {
  for (;;) std::this_thread::sleep_for(1h);
}

METHOD_TEST_ONCE(nobody_else_holds_an_end) {
  auto [mine, its] = make_pipe<int>();
  process reader{by(method), target<add_up>, std::move(its)};
  process before{by(method), target<pause_for_ever>};
  process after{by(coproc::start_method::fork), target<pause_for_ever>};
  co_await before.start();
  co_await reader.start();
  co_await after.start();
  co_await mine.send(20);
  co_await mine.send(22);
  mine.close();
  int sum = co_await reader.result();
  BOOST_TEST(sum == 42);
}

void send_one(coproc::connection<int> to) { to.blocking_send(1); }

/// That the process at the other end of @p mine was the last one that had it.
asio::awaitable<void> check_one_and_end(coproc::connection<int>& mine) {
  int got = co_await mine.recv();
  BOOST_TEST(got == 1);
  bool ready = co_await mine.poll(deadline());
  BOOST_REQUIRE(ready);
  co_await thrown_by<connection_closed>(mine.recv());
}

METHOD_TEST_ONCE(nobody_else_holds_an_argument_that_has_yet_to_go) {
  auto [mine, its] = make_pipe<int>();
  process owner{by(method), target<send_one>, std::move(its)};
  process before{by(coproc::start_method::fork), target<pause_for_ever>};
  process callable{coproc::fork_target, pause_for_ever};
  co_await before.start();
  co_await callable.start();
  co_await owner.start();
  co_await check_one_and_end(mine);
}

METHOD_TEST_ONCE(worker_that_is_started_for_a_task_holds_its_argument_once) {
  const asio::any_io_executor executor = co_await this_executor();
  coproc::pool workers(executor, coproc::pool_options().size(1).method(method));
  auto [mine, its] = make_pipe<int>();
  co_await workers.apply<send_one>(std::move(its));
  co_await check_one_and_end(mine);
}

CO_TEST_ONCE(nobody_else_holds_an_end_that_waits_to_be_sent) {
  auto [out, in] = make_pipe<coproc::connection<int>>();
  std::vector<coproc::connection<int>> mine;
  std::optional<pending<void>> sender;
  do {
    auto ends = make_pipe<int>();
    mine.push_back(std::move(ends.first));
    sender.emplace(co_await beside(out.send(std::move(ends.second))));
    co_await breathe();
  } while (sender->done());
  process stranger{by(coproc::start_method::fork), target<pause_for_ever>};
  co_await stranger.start();
  for (auto& end : mine) {
    coproc::connection<int> its = co_await in.recv();
    send_one(std::move(its));
    co_await check_one_and_end(end);
  }
  co_await sender->result();
}

CO_TEST_ONCE(callable_in_a_fork_keeps_the_ends_that_it_captures) {
  auto ends = make_pipe<int>();
  auto* its = &ends.second;
  process child{coproc::fork_target, [its] { its->blocking_send(7); }};
  co_await child.start();
  int got = co_await ends.first.recv();
  BOOST_TEST(got == 7);
  co_await child.result();
}

int take_all(std::vector<coproc::connection<int>> ends) { return static_cast<int>(ends.size()); }

METHOD_TEST_ONCE(too_many_descriptors_are_named) {
  for (int count : {200, 300}) {
    std::vector<coproc::connection<int>> mine, its;
    for (int i = 0; i != count; ++i) {
      auto ends = make_pipe<int>();
      mine.push_back(std::move(ends.first));
      its.push_back(std::move(ends.second));
    }
    process child{by(method), target<take_all>, std::move(its)};
    if (count == 200 || method == coproc::start_method::fork) {
      co_await child.start();
      int taken = co_await child.result();
      BOOST_TEST(taken == count);
    } else {
      auto refused = co_await thrown_by<std::invalid_argument>(child.start());
      CHECK_CONTAINS(std::string(refused.what()), "253 descriptors");
    }
  }
}

void never_read(coproc::connection<int> from) {
  for (;;) std::this_thread::sleep_for(1h);
  (void)from;
}

CO_TEST_ONCE(death_of_the_other_process_is_the_end) {
  auto [mine, its] = make_pipe<int>();
  process child{target<never_read>, std::move(its)};
  co_await child.start();
  auto waiter = co_await beside(mine.recv());
  co_await breathe();
  BOOST_TEST(!waiter.done());
  child.kill();
  bool closed = false;
  try {
    (void)co_await waiter.result();
  } catch (const connection_closed&) {
    closed = true;
  }
  BOOST_TEST(closed);
  co_await child.join();
}

coproc::connection<int> give_an_end(int first) {
  auto [a, b] = make_pipe<int>();
  a.blocking_send(first);
  return std::move(b);
}

CO_TEST_ONCE(an_end_can_be_a_result) {
  process child{target<give_an_end>, 11};
  co_await child.start();
  coproc::connection<int> end = co_await child.result();
  int got = co_await end.recv();
  BOOST_TEST(got == 11);
}

coproc::connection<int> give_end() {
  auto [mine, yours] = make_pipe<int>();
  mine.blocking_send(7);
  return std::move(yours);
}

CO_TEST_ONCE(end_that_has_gone_to_a_process_is_not_used_by_mistake) {
  auto [a, b] = make_pipe<int>();
  coproc::process p{coproc::target<send_one>, std::move(b)};
  BOOST_TEST(!b.is_open());
  CHECK_CONTAINS(message_of<std::logic_error>([&b_ = b] { b_.blocking_send(1); }), "gone to another process");
  co_await p.start();
  int got = co_await a.recv();
  BOOST_TEST(got == 1);
  co_await p.join();
}

CO_TEST_ONCE(end_that_is_a_result_can_be_had_once) {
  coproc::process p{coproc::target<give_end>};
  co_await p.start();
  coproc::connection<int> end = co_await p.result();
  int got = co_await end.recv();
  BOOST_TEST(got == 7);
  std::string why;
  try {
    (void)co_await p.result();
  } catch (const std::logic_error& error) {
    why = error.what();
  }
  CHECK_CONTAINS(why, "taken before");
}

BOOST_AUTO_TEST_SUITE_END()
