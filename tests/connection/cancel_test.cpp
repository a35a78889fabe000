// Operations that are cancelled: before they wait, while they do, and when they have been woken.
#include <coproc/connection.hpp>
#include <coproc/make_pipe.hpp>

#include "support/co_test.hpp"
#include "support/leak_check.hpp"
#include "support/pending.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/strand.hpp>

#include <chrono>
#include <exception>
#include <string>
#include <thread>
#include <utility>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(connection_cancel)

using coproc::connection_closed;
using coproc::make_pipe;

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

/// Starts @p operation on a strand, lets @p come happen, which it waits for, and cancels it when it has been
/// woken by that, but has not resumed. @returns whether it was aborted.
template <class T, class Function>
bool aborted_before_it_resumes(asio::io_context& loop, asio::awaitable<T> operation, Function come) {
  auto strand = asio::make_strand(loop);
  pending<T> waiter(strand, std::move(operation));
  loop.restart();
  loop.poll();
  BOOST_TEST(!waiter.done());
  asio::post(strand, [&] {
    come();
    std::thread([&] { loop.poll(); }).join(); // wakes it; the strand is taken
    waiter.cancel();
  });
  bool aborted = false;
  asio::co_spawn(strand, waiter.aborted(), [&](std::exception_ptr error, bool was) {
    BOOST_TEST(!error);
    aborted = was;
  });
  loop.run_for(deadline());
  BOOST_TEST(waiter.done());
  return aborted;
}

BOOST_AUTO_TEST_CASE(recv_that_is_cancelled_before_it_resumes_takes_nothing) {
  leak_check leaks;
  asio::io_context loop(2);
  auto [a, b] = make_pipe<int>();
  BOOST_TEST(aborted_before_it_resumes(loop, b.recv(), [&a_ = a] { a_.blocking_send(5); }));
  BOOST_TEST(b.blocking_poll(0s));
  BOOST_TEST(b.blocking_recv() == 5);
}

int receive_all(coproc::connection<std::string>& from) {
  int count = 0;
  for (; from.blocking_poll(0s); ++count) (void)from.blocking_recv();
  return count;
}

asio::awaitable<void> send_for_ever(coproc::connection<std::string>& to, const std::string& text, int& sent) {
  for (;; ++sent) co_await to.send(text);
}

BOOST_AUTO_TEST_CASE(send_that_is_cancelled_before_it_resumes_sends_nothing) {
  leak_check leaks;
  asio::io_context loop(2);
  auto [a, b] = make_pipe<std::string>();
  const std::string block(60'000, 'x');
  int sent = 0, received = 0;
  {
    pending<void> filler(loop.get_executor(), send_for_ever(a, block, sent));
    loop.poll();
  }
  loop.poll();
  BOOST_TEST(sent > 0);
  BOOST_TEST(
      aborted_before_it_resumes(loop, a.send(block), [&b_ = b, &received] { received += receive_all(b_); }));
  received += receive_all(b);
  BOOST_TEST(sent == received);
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

BOOST_AUTO_TEST_SUITE_END()
