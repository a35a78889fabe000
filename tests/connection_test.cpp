#include <coproc/connection.hpp>
#include <coproc/make_pipe.hpp>

#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/fault.hpp"
#include "support/leak_check.hpp"
#include "support/method_test.hpp"
#include "support/pending.hpp"

#include <coproc/process.hpp>
#include <coproc/semaphore.hpp>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>

#include <cerrno>
#include <chrono>
#include <map>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(connection)

using coproc::connection_closed;
using coproc::make_pipe;
using coproc::process;
using coproc::target;

struct question {
  int id = 0;
  std::string text;
  std::map<std::string, std::vector<double>> data;
  bool operator==(const question&) const = default;
};

CO_TEST(gives_what_was_sent_in_its_order) {
  auto [a, b] = make_pipe<int, std::string>();
  for (int i = 0; i != 100; ++i) co_await a.send(i);
  for (int i = 0; i != 100; ++i) {
    int got = co_await b.recv();
    BOOST_TEST(got == i);
  }
  std::string text = "back";
  co_await b.send(text);
  std::string got = co_await a.recv();
  BOOST_TEST(got == "back");
}

CO_TEST(carries_structs) {
  auto [a, b] = make_pipe<question>();
  question asked;
  asked.id = 7;
  asked.text = "why";
  asked.data["x"] = {1.5, 2.5};
  co_await a.send(asked);
  question got = co_await b.recv();
  BOOST_TEST((got == asked));
}

CO_TEST(recv_waits_for_a_value) {
  auto [a, b] = make_pipe<int>();
  auto waiter = co_await beside(b.recv());
  co_await breathe();
  BOOST_TEST(!waiter.done());
  co_await a.send(3);
  int got = co_await waiter.result();
  BOOST_TEST(got == 3);
}

CO_TEST(values_of_any_size_cross) {
  auto [a, b] = make_pipe<std::string>();
  for (std::size_t size : {std::size_t(0), std::size_t(1), std::size_t(65526), std::size_t(65536),
                           std::size_t(65537), std::size_t(1) << 20, std::size_t(10'000'019)}) {
    std::string sent(size, 'x');
    if (size > 2) sent[size / 2] = 'y';
    co_await a.send(sent);
    std::string got = co_await b.recv();
    BOOST_TEST((got == sent));
  }
}

asio::awaitable<void> send_numbers(coproc::connection<int>& to, int count) {
  for (int i = 0; i != count; ++i) co_await to.send(i);
}

CO_TEST(a_receiver_that_is_behind_makes_the_sender_wait) {
  auto [a, b] = make_pipe<int>();
  constexpr int many = 20'000;
  auto sender = co_await beside(send_numbers(a, many));
  co_await breathe();
  co_await breathe();
  BOOST_TEST(!sender.done());
  for (int i = 0; i != many; ++i) {
    int got = co_await b.recv();
    if (got != i) BOOST_REQUIRE_EQUAL(got, i);
  }
  co_await sender.result();
}

CO_TEST(end_comes_after_all_that_was_sent) {
  auto [a, b] = make_pipe<int>();
  co_await a.send(1);
  co_await a.send(2);
  a.close();
  BOOST_TEST(!a.is_open());
  int first = co_await b.recv();
  int second = co_await b.recv();
  BOOST_TEST(first == 1);
  BOOST_TEST(second == 2);
  for (int i = 0; i != 2; ++i) {
    bool closed = false;
    try {
      (void)co_await b.recv();
    } catch (const connection_closed&) {
      closed = true;
    }
    BOOST_TEST(closed);
  }
}

CO_TEST(what_was_sent_before_an_unread_value_arrives_is_not_lost) {
  auto [a, b] = make_pipe<int>();
  co_await b.send(9); // a never reads it: the kernel reports a reset to b, once
  co_await a.send(1);
  a.close();
  int got = co_await b.recv();
  BOOST_TEST(got == 1);
}

CO_TEST(sending_to_a_closed_end_is_connection_closed) {
  auto [a, b] = make_pipe<int>();
  b.close();
  for (int i = 0; i != 2; ++i) {
    bool closed = false;
    try {
      co_await a.send(1);
    } catch (const connection_closed&) {
      closed = true;
    }
    BOOST_TEST(closed);
  }
}

CO_TEST(closing_the_other_end_wakes_a_receiver) {
  auto [a, b] = make_pipe<int>();
  auto waiter = co_await beside(b.recv());
  co_await breathe();
  a.close();
  bool closed = false;
  try {
    (void)co_await waiter.result();
  } catch (const connection_closed&) {
    closed = true;
  }
  BOOST_TEST(closed);
}

CO_TEST(closing_this_end_aborts_those_who_wait) {
  auto [a, b] = make_pipe<int>();
  auto receiver = co_await beside(b.recv());
  auto poller = co_await beside(b.poll(1h));
  co_await breathe();
  b.close();
  bool receiver_aborted = co_await receiver.aborted();
  bool poller_aborted = co_await poller.aborted();
  BOOST_TEST(receiver_aborted);
  BOOST_TEST(poller_aborted);
}

CO_TEST(cancelled_recv_takes_nothing) {
  auto [a, b] = make_pipe<int>();
  auto waiter = co_await beside(b.recv());
  co_await breathe();
  waiter.cancel();
  bool aborted = co_await waiter.aborted();
  BOOST_TEST(aborted);
  co_await a.send(5);
  int got = co_await b.recv();
  BOOST_TEST(got == 5);
}

CO_TEST(cancelled_send_sends_nothing) {
  auto [a, b] = make_pipe<std::string>();
  std::string block(60'000, 'x');
  int sent = 0;
  for (;;) {
    auto sender = co_await beside(a.send(block));
    co_await breathe();
    if (!sender.done()) {
      sender.cancel();
      bool aborted = co_await sender.aborted();
      BOOST_TEST(aborted);
      break;
    }
    co_await sender.result();
    ++sent;
  }
  a.close();
  int got = 0;
  try {
    for (;;) {
      (void)co_await b.recv();
      ++got;
    }
  } catch (const connection_closed&) {
  }
  BOOST_TEST(got == sent);
}

CO_TEST(poll_says_whether_recv_would_wait) {
  auto [a, b] = make_pipe<int>();
  bool ready = co_await b.poll(0s);
  BOOST_TEST(!ready);
  ready = co_await b.poll(1ms);
  BOOST_TEST(!ready);
  auto waiter = co_await beside(b.poll(1h));
  co_await breathe();
  BOOST_TEST(!waiter.done());
  co_await a.send(1);
  ready = co_await waiter.result();
  BOOST_TEST(ready);
  ready = co_await b.poll(0s);
  BOOST_TEST(ready);
  (void)co_await b.recv();
  ready = co_await b.poll(-1s);
  BOOST_TEST(!ready);
  a.close();
  ready = co_await b.poll(1h);
  BOOST_TEST(ready); // the end
}

CO_TEST(cancelled_poll_leaves_the_value) {
  auto [a, b] = make_pipe<int>();
  auto waiter = co_await beside(b.poll(1h));
  co_await breathe();
  waiter.cancel();
  bool aborted = co_await waiter.aborted();
  BOOST_TEST(aborted);
  co_await a.send(1);
  int got = co_await b.recv();
  BOOST_TEST(got == 1);
}

CO_TEST(an_end_crosses_through_a_connection) {
  auto [out, in] = make_pipe<coproc::connection<int>>();
  auto [a, b] = make_pipe<int>();
  co_await out.send(std::move(a));
  BOOST_TEST(!a.is_open());
  coproc::connection<int> moved = co_await in.recv();
  co_await moved.send(4);
  int got = co_await b.recv();
  BOOST_TEST(got == 4);
}

CO_TEST(an_end_that_somebody_waits_on_does_not_cross) {
  auto [out, in] = make_pipe<coproc::connection<int>>();
  auto [a, b] = make_pipe<int>();
  auto waiter = co_await beside(a.recv());
  co_await breathe();
  BOOST_CHECK_THROW((void)out.send(std::move(a)), std::logic_error);
  co_await b.send(1);
  int got = co_await waiter.result();
  BOOST_TEST(got == 1);
}

CO_TEST(an_empty_end_is_a_logic_error) {
  coproc::connection<int> none;
  BOOST_TEST(!none.is_open());
  none.close();
  BOOST_CHECK_THROW((void)none.send(1), std::logic_error);
  BOOST_CHECK_THROW((void)none.recv(), std::logic_error);
  BOOST_CHECK_THROW(none.blocking_send(1), std::logic_error);
  auto [a, b] = make_pipe<int>();
  coproc::connection<int> moved = std::move(a);
  BOOST_CHECK_THROW((void)a.recv(), std::logic_error);
  co_await moved.send(1);
  int got = co_await b.recv();
  BOOST_TEST(got == 1);
}

CO_TEST(moving_keeps_waiters) {
  auto [a, b] = make_pipe<int>();
  auto waiter = co_await beside(b.recv());
  co_await breathe();
  coproc::connection<int> moved = std::move(b);
  co_await a.send(1);
  int got = co_await waiter.result();
  BOOST_TEST(got == 1);
}

BOOST_AUTO_TEST_CASE(blocking_forms_need_no_loop) {
  leak_check leaks;
  auto [a, b] = make_pipe<int>();
  BOOST_TEST(!b.blocking_poll(0s));
  BOOST_TEST(!b.blocking_poll(2ms));
  std::thread sender([&a_ = a] {
    for (int i = 0; i != 1000; ++i) a_.blocking_send(i);
    a_.close();
  });
  BOOST_TEST(b.blocking_poll(1h));
  for (int i = 0; i != 1000; ++i) BOOST_REQUIRE_EQUAL(b.blocking_recv(), i);
  BOOST_CHECK_THROW((void)b.blocking_recv(), connection_closed);
  sender.join();
}

void send_one(coproc::connection<int> to) { to.blocking_send(1); }

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

BOOST_AUTO_TEST_CASE(another_context_is_a_logic_error) {
  auto [a, b] = make_pipe<int>();
  asio::io_context first;
  asio::co_spawn(first, b.recv(), asio::detached);
  first.poll();
  asio::io_context second;
  std::exception_ptr error;
  asio::co_spawn(second, b.recv(), [&](std::exception_ptr e, int) { error = e; });
  second.run();
  BOOST_REQUIRE(error);
  BOOST_CHECK_THROW(std::rethrow_exception(error), std::logic_error);
  a.blocking_send(1);
}

BOOST_AUTO_TEST_CASE(no_descriptor_left_is_a_clear_error) {
  leak_check leaks;
  fault none(coproc::os::call::socketpair, EMFILE);
  try {
    (void)make_pipe<int>();
    BOOST_ERROR("no exception");
  } catch (const std::system_error& error) {
    BOOST_TEST((error.code() == std::errc::too_many_files_open));
    BOOST_TEST(std::string(error.what()).starts_with("make_pipe"));
  }
}

CO_TEST(what_is_no_value_is_a_wire_error) {
  auto [a, b] = make_pipe<std::string>();
  // As if the other process took it for something else.
  coproc::detail::message as_bytes;
  coproc::wire::encode(as_bytes, b);
  auto wrong = coproc::wire::decode<coproc::connection<std::vector<double>>>(as_bytes);
  std::string text = "this is no vector";
  co_await a.send(text);
  co_await a.send(std::string());
  bool refused = false;
  try {
    (void)co_await wrong.recv();
  } catch (const coproc::wire::error&) {
    refused = true;
  }
  BOOST_TEST(refused);
  std::vector<double> next = co_await wrong.recv(); // an empty string and an empty vector look alike
  BOOST_TEST(next.empty());
}

// Between processes.

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

BOOST_AUTO_TEST_SUITE_END()
