#include <coproc/select.hpp>

#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/pending.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/strand.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(select_queues) // POSIX has a function select

using coproc::queue;
using coproc::queue_closed;
using coproc::queue_empty;
using either = std::variant<int, std::string>;

CO_TEST(takes_what_is_there_from_exactly_one) {
  queue<int> numbers;
  queue<std::string> words;
  numbers.put_nowait(1);
  words.put_nowait("one");
  either first = co_await coproc::select(numbers, words);
  BOOST_TEST(first.index() == 0u);
  BOOST_TEST(std::get<0>(first) == 1);
  BOOST_TEST(words.qsize() == 1u);
  either second = co_await coproc::select(numbers, words);
  BOOST_TEST(std::get<1>(second) == "one");
  BOOST_TEST(words.empty());
}

CO_TEST(waits_for_whichever_comes_first) {
  queue<int> numbers;
  queue<std::string> words;
  auto selecting = co_await beside(coproc::select(numbers, words));
  co_await breathe();
  BOOST_TEST(!selecting.done());
  words.put_nowait("one");
  numbers.put_nowait(1);
  either got = co_await selecting.result();
  BOOST_TEST(std::get<1>(got) == "one");
  BOOST_TEST(words.empty());
  BOOST_TEST(numbers.get_nowait() == 1); // nobody else's turn any more
}

CO_TEST(queues_that_are_full_take_turns) {
  queue<int> a, b, c;
  for (int i = 0; i != 6; ++i) {
    b.put_nowait(i);
    c.put_nowait(i);
  }
  std::vector<std::size_t> served;
  for (int i = 0; i != 12; ++i) {
    std::variant<int, int, int> got = co_await coproc::select(a, b, c);
    served.push_back(got.index());
  }
  for (std::size_t i = 0; i != 12; ++i) BOOST_TEST(served[i] == 1 + i % 2);
}

CO_TEST(waits_in_line_in_each_queue) {
  queue<int> a, b;
  auto before = co_await beside(a.get());
  co_await breathe();
  auto selecting = co_await beside(coproc::select(a, b));
  co_await breathe();
  auto behind = co_await beside(a.get());
  co_await breathe();
  a.put_nowait(1);
  int got = co_await before.result();
  BOOST_TEST(got == 1);
  BOOST_TEST(!selecting.done());
  a.put_nowait(2);
  a.put_nowait(3);
  std::variant<int, int> second = co_await selecting.result();
  BOOST_TEST(second.index() == 0u);
  BOOST_TEST(std::get<0>(second) == 2);
  got = co_await behind.result();
  BOOST_TEST(got == 3);
}

CO_TEST(item_that_another_was_promised_is_not_taken) {
  queue<int> a, b;
  auto getter = co_await beside(a.get());
  co_await breathe();
  a.put_nowait(1); // the getter's
  auto selecting = co_await beside(coproc::select(a, b));
  int got = co_await getter.result();
  BOOST_TEST(got == 1);
  co_await breathe();
  BOOST_TEST(!selecting.done());
  b.put_nowait(2);
  std::variant<int, int> selected = co_await selecting.result();
  BOOST_TEST(selected.index() == 1u);
}

CO_TEST(lets_a_producer_in_that_waited_for_room) {
  queue<int> a(1), b(1);
  a.put_nowait(1);
  auto putter = co_await beside(a.put(2));
  co_await breathe();
  for (int i = 1; i != 3; ++i) {
    std::variant<int, int> got = co_await coproc::select(a, b);
    BOOST_TEST(std::get<0>(got) == i);
  }
  co_await putter.result();
}

CO_TEST(cancelled_select_takes_nothing) {
  queue<int> a, b;
  auto selecting = co_await beside(coproc::select(a, b));
  co_await breathe();
  b.put_nowait(1); // before it has resumed
  selecting.cancel();
  bool aborted = co_await selecting.aborted();
  BOOST_TEST(aborted);
  BOOST_TEST(a.empty());
  BOOST_TEST(b.get_nowait() == 1);
  auto next = co_await beside(a.get());
  co_await breathe();
  a.put_nowait(2);
  int got = co_await next.result();
  BOOST_TEST(got == 2);
}

CO_TEST(with_a_timeout) {
  queue<int> a, b;
  co_await thrown_by<queue_empty>(coproc::select(5ms, a, b));
  co_await thrown_by<queue_empty>(coproc::select(0ms, a, b));
  co_await thrown_by<queue_empty>(coproc::select(coproc::duration::min(), a, b));
  b.put_nowait(1);
  std::variant<int, int> got = co_await coproc::select(0ms, a, b);
  BOOST_TEST(std::get<1>(got) == 1);
  auto selecting = co_await beside(coproc::select(coproc::duration::max() - 1ns, a, b));
  co_await breathe();
  BOOST_TEST(!selecting.done());
  a.put_nowait(2);
  got = co_await selecting.result();
  BOOST_TEST(std::get<0>(got) == 2);
}

CO_TEST(closed_queues_are_served_until_they_are_drained) {
  queue<int> a, b;
  a.put_nowait(1);
  a.close();
  std::variant<int, int> got = co_await coproc::select(a, b);
  BOOST_TEST(std::get<0>(got) == 1);
  auto selecting = co_await beside(coproc::select(a, b)); // waits for b alone
  co_await breathe();
  BOOST_TEST(!selecting.done());
  b.put_nowait(2);
  got = co_await selecting.result();
  BOOST_TEST(std::get<1>(got) == 2);
  b.close();
  co_await thrown_by<queue_closed>(coproc::select(a, b));
  co_await thrown_by<queue_closed>(coproc::select(0ms, a, b));
  co_await thrown_by<queue_closed>(coproc::select(1h, a, b));
}

CO_TEST(ends_when_the_last_queue_is_closed) {
  queue<int> a, b;
  auto selecting = co_await beside(coproc::select(a, b));
  co_await breathe();
  b.close();
  co_await breathe();
  BOOST_TEST(!selecting.done());
  a.close();
  co_await thrown_by<queue_closed>(selecting.result());
}

CO_TEST(queue_that_is_destroyed_aborts_it) {
  for (bool first : {true, false}) {
    auto a = std::make_unique<queue<int>>(), b = std::make_unique<queue<int>>();
    auto selecting = co_await beside(coproc::select(*a, *b));
    co_await breathe();
    (first ? a : b).reset();
    bool aborted = co_await selecting.aborted();
    BOOST_TEST(aborted);
    auto& left = first ? b : a;
    left->put_nowait(1);
    BOOST_TEST(left->get_nowait() == 1);
  }
}

CO_TEST(the_same_queue_twice) {
  queue<int> a;
  auto selecting = co_await beside(coproc::select(a, a));
  co_await breathe();
  a.put_nowait(1);
  a.put_nowait(2);
  std::variant<int, int> got = co_await selecting.result();
  BOOST_TEST(got.index() == 0u);
  BOOST_TEST(a.qsize() == 1u);
}

CO_TEST(one_queue_and_move_only_items) {
  queue<std::unique_ptr<int>> a;
  auto selecting = co_await beside(coproc::select(a));
  co_await breathe();
  a.put_nowait(std::make_unique<int>(1));
  std::variant<std::unique_ptr<int>> got = co_await selecting.result();
  BOOST_TEST(*std::get<0>(got) == 1);
}

CO_TEST(item_that_get_nowait_takes_first_leaves_it_waiting) {
  queue<int> a, b;
  auto selecting = co_await beside(coproc::select(a, b));
  co_await breathe();
  a.put_nowait(1);
  BOOST_TEST(a.get_nowait() == 1);
  co_await breathe();
  BOOST_TEST(!selecting.done());
  b.put_nowait(2);
  std::variant<int, int> got = co_await selecting.result();
  BOOST_TEST(std::get<1>(got) == 2);
}

CO_TEST(on_an_executor_of_its_own) {
  queue<int> a, b;
  auto executor = co_await this_executor();
  a.put_nowait(0);
  (void)co_await a.get(); // home is this executor, in a
  pending<std::variant<int, int>> selecting(asio::make_strand(executor), coproc::select(a, b));
  co_await breathe();
  a.put_nowait(1);
  b.put_nowait(2);
  std::variant<int, int> got = co_await selecting.result();
  BOOST_TEST(a.qsize() + b.qsize() == 1u);
  (void)got;
}

BOOST_AUTO_TEST_CASE(destroying_the_context_destroys_its_waiters) {
  queue<int> a, b;
  {
    asio::io_context loop;
    asio::co_spawn(loop, coproc::select(a, b),
                   [](std::exception_ptr, std::variant<int, int>) { BOOST_ERROR("completed"); });
    loop.poll();
    BOOST_TEST(!loop.stopped(), "a waiter counts as work");
    b.put_nowait(1);
  }
  BOOST_TEST(b.get_nowait() == 1);
}

asio::awaitable<void> select_one(queue<int>& a, queue<int>& b) { (void)co_await coproc::select(a, b); }
asio::awaitable<void> get_one(queue<int>& q) { (void)co_await q.get(); }

BOOST_AUTO_TEST_CASE(queue_of_another_context_is_a_logic_error) {
  queue<int> a, b;
  asio::io_context first, second;
  b.put_nowait(1);
  asio::co_spawn(first, get_one(b), [](std::exception_ptr) {});
  first.run();
  std::exception_ptr error;
  asio::co_spawn(second, select_one(a, b), [&](std::exception_ptr e) { error = e; });
  second.run();
  BOOST_REQUIRE(error);
  BOOST_CHECK_THROW(std::rethrow_exception(error), std::logic_error);
}

BOOST_AUTO_TEST_SUITE_END()
