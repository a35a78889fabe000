#include <coproc/connection.hpp>
#include <coproc/make_pipe.hpp>

#include "connection/question.hpp"
#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/fault.hpp"
#include "support/forked.hpp"
#include "support/leak_check.hpp"
#include "support/pending.hpp"

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/strand.hpp>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <exception>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <sys/resource.h>
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

const std::string large(70'000, 'l'); // crosses as a descriptor

CO_TEST(too_many_descriptors_on_their_way_make_the_sender_wait) {
  auto [a, b] = make_pipe<std::string>();
  {
    fault full(coproc::os::call::sendmsg, ETOOMANYREFS, 3);
    auto sender = co_await beside(a.send(large));
    co_await breathe();
    BOOST_TEST(!sender.done());
    co_await sender.result();
    BOOST_TEST(full.hits() == 3u);
  }
  {
    fault full(coproc::os::call::sendmsg, ETOOMANYREFS, 3);
    a.blocking_send(large);
    BOOST_TEST(full.hits() == 3u);
  }
  for (int i = 0; i != 2; ++i) {
    std::string got = co_await b.recv();
    BOOST_TEST((got == large));
  }
}

CO_TEST(sender_among_too_many_descriptors_can_be_stopped) {
  fault full(coproc::os::call::sendmsg, ETOOMANYREFS);
  auto [a, b] = make_pipe<std::string>();
  auto cancelled = co_await beside(a.send(large));
  co_await breathe();
  cancelled.cancel();
  bool aborted = co_await cancelled.aborted();
  BOOST_TEST(aborted);

  auto closed_there = co_await beside(a.send(large));
  co_await breathe();
  BOOST_TEST(!closed_there.done());
  b.close();
  co_await thrown_by<connection_closed>(closed_there.result());
  BOOST_CHECK_THROW(a.blocking_send(large), connection_closed);

  auto [c, d] = make_pipe<std::string>();
  auto closed_here = co_await beside(c.send(large));
  co_await breathe();
  BOOST_TEST(!closed_here.done());
  c.close();
  aborted = co_await closed_here.aborted();
  BOOST_TEST(aborted);
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

using many_pipes = std::vector<std::pair<coproc::connection<std::string>, coproc::connection<std::string>>>;
constexpr int values_of_each = 8; // for which every pipe has room

asio::awaitable<void> send_some(coproc::connection<std::string>& to, int& sent) {
  for (int i = 0; i != values_of_each; ++i, ++sent) co_await to.send(large);
}

asio::awaitable<void> receive_some(coproc::connection<std::string>& from, int& received) {
  for (int i = 0; i != values_of_each; ++i) {
    std::string got = co_await from.recv();
    if (got == large) ++received;
  }
}

/// With more descriptors on their way than the kernel lets an ordinary user have.
void send_too_many() {
  const rlimit limit{120, 120};
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) throw std::runtime_error("setrlimit");
  many_pipes pipes;
  for (int i = 0; i != 25; ++i) pipes.push_back(make_pipe<std::string>());
  const int all = values_of_each * static_cast<int>(pipes.size());
  int sent = 0, received = 0, failed = 0;
  const auto count_failure = [&](std::exception_ptr error) { failed += error ? 1 : 0; };
  asio::io_context loop;
  for (auto& [to, from] : pipes) asio::co_spawn(loop, send_some(to, sent), count_failure);
  for (int i = 0; i != 100; ++i) loop.poll();
  if (failed != 0 || sent >= all) throw std::runtime_error("nobody waits");
  for (auto& [to, from] : pipes) asio::co_spawn(loop, receive_some(from, received), count_failure);
  loop.run_for(deadline());
  if (failed != 0 || received != all) throw std::runtime_error("not all has come");
}

BOOST_AUTO_TEST_CASE(an_ordinary_user_waits_for_its_descriptors_to_arrive) {
  leak_check leaks;
  constexpr uid_t nobody = 65534;
  forked user([] {
    // Root may have any number on their way. Where it can't become somebody else, there is nothing to see.
    if (::getuid() == 0 && (::setgid(nobody) != 0 || ::setuid(nobody) != 0)) return;
    send_too_many();
  });
  BOOST_TEST(user.ended_well());
}

/// Receives when there is no descriptor, and when there is one again.
void receive_without_descriptor() {
  auto [a, b] = make_pipe<std::string>();
  a.blocking_send(large);
  a.blocking_send("small");
  rlimit before;
  ::getrlimit(RLIMIT_NOFILE, &before);
  const int next = ::dup(0);
  ::close(next);
  const rlimit none_left{static_cast<rlim_t>(next), before.rlim_max};
  if (::setrlimit(RLIMIT_NOFILE, &none_left) != 0) throw std::runtime_error("setrlimit");
  for (int i = 0; i != 2; ++i) {
    try {
      (void)b.blocking_recv();
      throw std::logic_error("the next value came in its place");
    } catch (const std::system_error& error) {
      if (error.code() != std::errc::too_many_files_open) throw;
    }
  }
  ::setrlimit(RLIMIT_NOFILE, &before);
  if (b.blocking_recv() != large || b.blocking_recv() != "small") throw std::logic_error("another value");
}

BOOST_AUTO_TEST_CASE(value_without_a_descriptor_left_stays) {
  leak_check leaks;
  forked without(receive_without_descriptor);
  BOOST_TEST(without.ended_well());
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

BOOST_AUTO_TEST_SUITE_END()
