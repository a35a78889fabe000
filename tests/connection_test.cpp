#include <coproc/connection.hpp>
#include <coproc/make_pipe.hpp>

#include "connection/question.hpp"
#include "support/co_test.hpp"
#include "support/forked.hpp"
#include "support/leak_check.hpp"
#include "support/pending.hpp"

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <unistd.h>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(connection)

using coproc::connection_closed;
using coproc::make_pipe;

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

CO_TEST_ONCE(poll_is_not_woken_by_what_came_to_a_closed_connection) {
  for (int turns = 0; turns != 4; ++turns) {
    {
      auto [a, b] = make_pipe<int>();
      (void)co_await a.poll(1us); // its loop knows it
      co_await b.send(1);
      for (int i = 0; i != turns; ++i) co_await asio::post(asio::use_awaitable);
    }
    auto [c, d] = make_pipe<int>();
    const bool ready = co_await c.poll(5ms);
    BOOST_TEST(!ready);
  }
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

CO_TEST_ONCE(blocking_forms_block_where_a_loop_has_waited) {
  auto [a, b] = make_pipe<std::string>();
  auto waiter = co_await beside(b.recv());
  co_await breathe();
  co_await a.send("waited for");
  co_await waiter.result();
  forked late([&a_ = a] {
    std::this_thread::sleep_for(50ms);
    a_.blocking_send("late");
  });
  BOOST_TEST(b.blocking_recv() == "late");
  BOOST_TEST(late.ended_well());
}

BOOST_AUTO_TEST_CASE(another_context_is_a_logic_error_though_nothing_is_to_be_waited_for) {
  auto [a, b] = make_pipe<int>();
  asio::io_context first, second;
  const auto run_on = [](asio::io_context& context, auto operation) {
    std::exception_ptr error;
    asio::co_spawn(context, std::move(operation), [&](std::exception_ptr e, auto...) { error = e; });
    context.restart();
    context.run();
    if (error) std::rethrow_exception(error);
  };
  run_on(first, a.send(1));
  run_on(first, a.send(2));
  run_on(second, b.recv());
  BOOST_CHECK_THROW(run_on(second, a.send(3)), std::logic_error);
  BOOST_CHECK_THROW(run_on(first, b.recv()), std::logic_error);
  BOOST_CHECK_THROW(run_on(first, b.poll(0s)), std::logic_error);
  BOOST_TEST(b.blocking_recv() == 2); // has no loop
  BOOST_TEST(!b.blocking_poll(0s));
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

BOOST_AUTO_TEST_SUITE_END()
