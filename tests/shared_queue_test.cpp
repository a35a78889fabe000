#include <coproc/shared_queue.hpp>

#include <coproc/make_pipe.hpp>
#include <coproc/process.hpp>

#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/fault.hpp"
#include "support/forked.hpp"
#include "support/leak_check.hpp"
#include "support/method_test.hpp"
#include "support/pending.hpp"

#include <asio/co_spawn.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>

#include <cerrno>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <time.h>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(shared_queue)

using coproc::queue_closed;
using coproc::queue_empty;
using coproc::queue_full;

// As if by another process: through the wire.
template <class T>
coproc::shared_queue<T> across(const coproc::shared_queue<T>& queue) {
  coproc::detail::message message;
  coproc::wire::encode(message, queue);
  return coproc::wire::decode<coproc::shared_queue<T>>(message);
}

CO_TEST(what_is_put_is_got_in_order) {
  coproc::shared_queue<int> queue;
  for (int i = 0; i != 5; ++i) co_await queue.put(i);
  BOOST_TEST(queue.qsize() == 5u);
  for (int i = 0; i != 5; ++i) {
    int got = co_await queue.get();
    BOOST_TEST(got == i);
  }
  BOOST_TEST(queue.empty());
}

CO_TEST(get_waits_for_a_put) {
  coproc::shared_queue<std::string> queue;
  auto getter = co_await beside(queue.get());
  co_await breathe();
  BOOST_TEST(!getter.done());
  co_await queue.put("text");
  std::string got = co_await getter.result();
  BOOST_TEST(got == "text");
}

CO_TEST(put_waits_for_room) {
  coproc::shared_queue<int> queue(2);
  co_await queue.put(1);
  co_await queue.put(2);
  BOOST_TEST(queue.full());
  auto putter = co_await beside(queue.put(3));
  co_await breathe();
  BOOST_TEST(!putter.done());
  int got = co_await queue.get();
  BOOST_TEST(got == 1);
  co_await putter.result();
  BOOST_TEST(queue.qsize() == 2u);
}

CO_TEST(another_handle_wakes_a_waiter) {
  coproc::shared_queue<int> queue(1);
  auto other = across(queue);
  auto getter = co_await beside(queue.get());
  co_await breathe();
  other.put_nowait(1);
  int got = co_await getter.result();
  BOOST_TEST(got == 1);
  queue.put_nowait(2);
  auto putter = co_await beside(queue.put(3));
  co_await breathe();
  BOOST_TEST(!putter.done());
  got = other.get_nowait();
  BOOST_TEST(got == 2);
  co_await putter.result();
  got = other.get_nowait();
  BOOST_TEST(got == 3);
}

CO_TEST(two_handles_wait_on_one_loop) {
  coproc::shared_queue<int> queue;
  auto copy = queue;
  auto other = across(queue);
  auto first = co_await beside(queue.get());
  auto second = co_await beside(copy.get());
  auto third = co_await beside(other.get());
  co_await breathe();
  for (int i = 1; i <= 3; ++i) queue.put_nowait(i);
  int sum = co_await first.result();
  sum += co_await second.result();
  sum += co_await third.result();
  BOOST_TEST(sum == 6);
}

CO_TEST(first_come_first_served) {
  coproc::shared_queue<int> queue;
  std::vector<pending<int>> getters;
  for (int i = 0; i != 4; ++i) {
    getters.push_back(co_await beside(queue.get()));
    co_await breathe();
  }
  for (int i = 0; i != 4; ++i) {
    co_await queue.put(i);
    int got = co_await getters[std::size_t(i)].result();
    BOOST_TEST(got == i);
  }
}

CO_TEST(nowait_forms_throw_in_place_of_waiting) {
  coproc::shared_queue<int> queue(1);
  BOOST_CHECK_THROW(queue.get_nowait(), queue_empty);
  queue.put_nowait(1);
  BOOST_CHECK_THROW(queue.put_nowait(2), queue_full);
  BOOST_TEST(queue.get_nowait() == 1);
  co_return;
}

CO_TEST(timeouts) {
  coproc::shared_queue<int> queue(1);
  auto before = std::chrono::steady_clock::now();
  co_await thrown_by<queue_empty>(queue.get(20ms));
  BOOST_TEST((std::chrono::steady_clock::now() - before >= 20ms));
  co_await thrown_by<queue_empty>(queue.get(-1s));
  co_await queue.put(1, 0s);
  before = std::chrono::steady_clock::now();
  co_await thrown_by<queue_full>(queue.put(2, 20ms));
  BOOST_TEST((std::chrono::steady_clock::now() - before >= 20ms));
  int got = co_await queue.get(0s);
  BOOST_TEST(got == 1);
  BOOST_TEST(queue.empty());
}

CO_TEST(cancelled_get_takes_no_item) {
  coproc::shared_queue<int> queue;
  auto getter = co_await beside(queue.get());
  auto next = co_await beside(queue.get());
  co_await breathe();
  getter.cancel();
  bool aborted = co_await getter.aborted();
  BOOST_TEST(aborted);
  co_await queue.put(7);
  int got = co_await next.result();
  BOOST_TEST(got == 7);
}

CO_TEST(cancellation_after_the_wake_up_takes_no_item) {
  coproc::shared_queue<int> queue;
  for (int rounds = 0; rounds != 6; ++rounds) {
    auto getter = co_await beside(queue.get());
    co_await breathe();
    queue.put_nowait(7);
    for (int i = 0; i != rounds; ++i) co_await asio::post(asio::use_awaitable);
    getter.cancel();
    bool aborted = co_await getter.aborted();
    if (aborted) {
      int left = queue.get_nowait();
      BOOST_TEST(left == 7);
    } else {
      int got = co_await getter.result();
      BOOST_TEST(got == 7);
    }
    BOOST_TEST(queue.empty());
  }
}

CO_TEST(cancelled_put_adds_nothing) {
  coproc::shared_queue<int> queue(1);
  queue.put_nowait(1);
  auto putter = co_await beside(queue.put(2));
  co_await breathe();
  putter.cancel();
  bool aborted = co_await putter.aborted();
  BOOST_TEST(aborted);
  BOOST_TEST(queue.get_nowait() == 1);
  BOOST_TEST(queue.empty());
}

CO_TEST(close_fails_putters_at_once_and_getters_when_it_is_drained) {
  coproc::shared_queue<int> queue(1);
  auto other = across(queue);
  queue.put_nowait(1);
  auto putter = co_await beside(queue.put(2));
  co_await breathe();
  other.close();
  other.close(); // harmless
  co_await thrown_by<queue_closed>(putter.result());
  co_await thrown_by<queue_closed>(queue.put(3));
  BOOST_CHECK_THROW(queue.put_nowait(3), queue_closed);
  BOOST_CHECK_THROW(queue.blocking_put(3), queue_closed);
  BOOST_TEST(queue.get_nowait() == 1);
  co_await thrown_by<queue_closed>(queue.get());
  co_await thrown_by<queue_closed>(queue.get(1h));
  BOOST_CHECK_THROW(queue.get_nowait(), queue_closed);
  BOOST_CHECK_THROW(queue.blocking_get(), queue_closed);
}

CO_TEST(close_wakes_getters) {
  coproc::shared_queue<int> queue;
  auto other = across(queue);
  auto getter = co_await beside(queue.get());
  co_await breathe();
  other.close();
  co_await thrown_by<queue_closed>(getter.result());
}

CO_TEST(join_waits_for_task_done) {
  coproc::shared_queue<int> queue;
  auto other = across(queue);
  co_await queue.join(); // nothing to wait for
  queue.put_nowait(1);
  queue.put_nowait(2);
  auto joiner = co_await beside(queue.join());
  co_await breathe();
  BOOST_TEST(!joiner.done());
  BOOST_TEST(other.get_nowait() == 1);
  BOOST_TEST(other.get_nowait() == 2);
  other.task_done();
  co_await breathe();
  BOOST_TEST(!joiner.done());
  other.task_done();
  co_await joiner.result();
  queue.blocking_join();
  BOOST_CHECK_THROW(queue.task_done(), std::logic_error);
}

CO_TEST(destructor_completes_waiters_with_operation_aborted) {
  auto queue = std::make_unique<coproc::shared_queue<int>>(1);
  auto copy = *queue;
  auto getter = co_await beside(queue->get());
  auto survivor = co_await beside(copy.get());
  auto joiner = co_await beside(copy.join());
  co_await breathe();
  BOOST_TEST(!getter.done());
  queue.reset();
  bool aborted = co_await getter.aborted();
  BOOST_TEST(aborted);
  copy.put_nowait(3);
  int got = co_await survivor.result();
  BOOST_TEST(got == 3);
  co_await joiner.result();
}

CO_TEST(moving_keeps_waiters) {
  coproc::shared_queue<int> queue;
  auto getter = co_await beside(queue.get());
  co_await breathe();
  auto moved = std::move(queue);
  moved.put_nowait(4);
  int got = co_await getter.result();
  BOOST_TEST(got == 4);
  BOOST_CHECK_THROW(queue.qsize(), std::logic_error);
}

struct plain {
  int a;
  double b;
  bool c;
};

struct nested {
  std::vector<std::string> words;
  std::map<int, std::optional<double>> numbers;
};

template <class T>
T through(const T& value) {
  coproc::shared_queue<T> queue;
  queue.put_nowait(value);
  auto other = across(queue);
  return other.get_nowait();
}

BOOST_AUTO_TEST_CASE(items_of_all_kinds) {
  BOOST_TEST(through(3.5) == 3.5);
  plain flat{1, 2.5, true};
  plain got = through(flat);
  BOOST_TEST((got.a == 1 && got.b == 2.5 && got.c));
  BOOST_TEST(through(std::string("a\0b", 3)) == std::string("a\0b", 3));
  BOOST_TEST(through(std::string()).empty());
  BOOST_TEST(through(std::vector<int>{1, 2, 3}) == (std::vector<int>{1, 2, 3}));
  BOOST_TEST((through(std::vector<bool>{true, false}) == std::vector<bool>{true, false}));
  BOOST_TEST(*through(std::make_shared<int>(5)) == 5);
  nested deep{{"one", "two"}, {{1, 1.5}, {2, std::nullopt}}};
  nested deep_got = through(deep);
  BOOST_TEST(deep_got.words == deep.words);
  BOOST_TEST((deep_got.numbers == deep.numbers));
}

struct holder {
  std::string name;
  coproc::shared_queue<int> queue;
};

BOOST_AUTO_TEST_CASE(crosses_in_a_struct) {
  leak_check nothing_left;
  holder original{"name", coproc::shared_queue<int>(3)};
  coproc::detail::message message;
  coproc::wire::encode(message, original);
  auto arrived = coproc::wire::decode<holder>(message);
  arrived.queue.put_nowait(9);
  BOOST_TEST(original.queue.get_nowait() == 9);
}

BOOST_AUTO_TEST_CASE(handles_are_no_items) {
  static_assert(coproc::wire::crossable<coproc::shared_queue<int>>);
  static_assert(!coproc::wire::crossable_without_handles<coproc::shared_queue<int>>);
  static_assert(!coproc::wire::crossable_without_handles<holder>);
}

BOOST_AUTO_TEST_CASE(what_is_no_queue_is_refused) {
  leak_check nothing_left;
  coproc::shared_queue<int> queue;
  {
    coproc::detail::message message;
    coproc::wire::encode(message, queue);
    for (std::size_t i = 0; i != 4; ++i) {
      coproc::detail::message wrong;
      coproc::wire::output_archive archive(wrong);
      for (std::size_t j = 0; j != 4; ++j) archive.attach(j == i ? ::dup(2) : message.take(j));
      BOOST_CHECK_THROW(coproc::wire::decode<coproc::shared_queue<int>>(wrong), std::system_error);
      coproc::wire::encode(message = {}, queue);
    }
  }
  coproc::detail::message none;
  const std::uint32_t indices[4] = {};
  none.append(indices, sizeof indices);
  BOOST_CHECK_THROW(coproc::wire::decode<coproc::shared_queue<int>>(none), coproc::wire::error);
}

BOOST_AUTO_TEST_CASE(no_descriptor_and_no_memory_are_errors_that_say_so) {
  leak_check nothing_left;
  using call = coproc::os::call;
  for (auto which : {call::memfd_create, call::fallocate, call::mmap, call::eventfd}) {
    fault out(which, which == call::mmap || which == call::fallocate ? ENOMEM : EMFILE);
    try {
      coproc::shared_queue<int> queue;
      BOOST_ERROR("no exception");
    } catch (const std::system_error& e) {
      BOOST_TEST((e.code() == std::errc::not_enough_memory || e.code() == std::errc::too_many_files_open));
      CHECK_CONTAINS(e.what(), which == call::eventfd ? "shared queue" : "shared memory");
    }
    BOOST_TEST(out.hits() > 0u);
  }
}

BOOST_AUTO_TEST_CASE(blocking_forms_of_threads) {
  coproc::shared_queue<int> queue(3);
  auto copy = queue;
  std::thread producer([copy]() mutable {
    for (int i = 0; i != 1000; ++i) copy.blocking_put(i);
    copy.close();
  });
  int expected = 0;
  try {
    for (;; ++expected) BOOST_REQUIRE(queue.blocking_get() == expected);
  } catch (const queue_closed&) {
  }
  producer.join();
  BOOST_TEST(expected == 1000);
}

BOOST_AUTO_TEST_CASE(blocking_timeouts) {
  coproc::shared_queue<int> queue(1);
  const auto before = std::chrono::steady_clock::now();
  BOOST_CHECK_THROW(queue.blocking_get(20ms), queue_empty);
  BOOST_TEST((std::chrono::steady_clock::now() - before >= 20ms));
  queue.blocking_put(1, 0s);
  BOOST_CHECK_THROW(queue.blocking_put(2, 20ms), queue_full);
  BOOST_TEST(queue.blocking_get(1h) == 1);
}

asio::awaitable<void> get_once(coproc::shared_queue<int>& queue) { co_await queue.get(); }

BOOST_AUTO_TEST_CASE(another_context_is_a_logic_error) {
  coproc::shared_queue<int> queue;
  queue.put_nowait(1);
  queue.put_nowait(2);
  asio::io_context first;
  asio::co_spawn(first, get_once(queue), [](std::exception_ptr e) { BOOST_TEST(!e); });
  first.run();
  asio::io_context second;
  std::exception_ptr error;
  asio::co_spawn(second, get_once(queue), [&](std::exception_ptr e) { error = e; });
  second.run();
  BOOST_REQUIRE(error);
  BOOST_CHECK_THROW(std::rethrow_exception(error), std::logic_error);
  auto copy = queue; // has a context of its own
  second.restart();
  asio::co_spawn(second, get_once(copy), [](std::exception_ptr e) { BOOST_TEST(!e); });
  second.run();
}

BOOST_AUTO_TEST_CASE(destroying_the_context_destroys_its_waiters) {
  leak_check nothing_left;
  coproc::shared_queue<int> queue;
  {
    asio::io_context loop;
    for (int i = 0; i != 3; ++i)
      asio::co_spawn(loop, get_once(queue), [](std::exception_ptr) { BOOST_ERROR("completed"); });
    loop.poll();
    BOOST_TEST(!loop.stopped(), "a waiter counts as work");
  }
  queue.put_nowait(1);
  BOOST_TEST(queue.qsize() == 1u);
}

asio::awaitable<void> get_or_give_up(coproc::shared_queue<int>& queue, int& got) {
  using namespace asio::experimental::awaitable_operators;
  asio::steady_timer timer(co_await asio::this_coro::executor, 1ms);
  auto result = co_await (queue.get() || timer.async_wait(asio::use_awaitable));
  if (result.index() == 0) ++got;
}

CO_TEST_ONCE(a_race_with_a_timer_loses_nothing_that_was_not_got) {
  coproc::shared_queue<int> queue;
  int got = 0;
  for (int i = 0; i != 50; ++i) co_await get_or_give_up(queue, got);
  BOOST_TEST(got == 0);
  queue.put_nowait(1);
  co_await get_or_give_up(queue, got);
  BOOST_TEST(got == 1);
}

// Between processes.

asio::awaitable<void> echo(coproc::shared_queue<int> in, coproc::shared_queue<int> out) {
  for (;;) co_await out.put(2 * co_await in.get());
}

BOOST_AUTO_TEST_CASE(coroutines_of_two_processes) {
  leak_check nothing_left;
  coproc::shared_queue<int> there, back(1);
  forked child([=] {
    asio::io_context loop;
    asio::co_spawn(loop, echo(there, back), [](std::exception_ptr) {});
    loop.run();
  });
  asio::io_context loop;
  int sum = 0;
  auto talk = [&]() -> asio::awaitable<void> {
    for (int i = 1; i <= 100; ++i) {
      co_await there.put(i);
      sum += co_await back.get();
    }
    there.close();
  };
  asio::co_spawn(loop, talk(), [](std::exception_ptr e) { BOOST_TEST(!e); });
  loop.run_for(deadline());
  BOOST_TEST(sum == 10100);
  BOOST_TEST(child.ended_well());
}

BOOST_AUTO_TEST_CASE(blocking_and_awaiting_processes_wake_each_other) {
  coproc::shared_queue<int> there(1), back(1);
  forked child([=]() mutable {
    for (int i = 0; i != 200; ++i) back.blocking_put(there.blocking_get() + 1);
  });
  asio::io_context loop;
  auto talk = [&]() -> asio::awaitable<void> {
    for (int i = 0; i != 200; ++i) {
      co_await there.put(i);
      int got = co_await back.get();
      BOOST_TEST(got == i + 1);
    }
  };
  asio::co_spawn(loop, talk(), [](std::exception_ptr e) { BOOST_TEST(!e); });
  loop.run_for(deadline());
  BOOST_TEST(child.ended_well());
}

// Handles that cross.

using numbers = coproc::shared_queue<int>;

struct order {
  std::vector<numbers> in;
  std::map<std::string, numbers> out;
};

/// Says itself how it is written: nobody else knows what it holds.
class by_cereal {
public:
  by_cereal() = default;
  explicit by_cereal(numbers hidden) : hidden_(std::move(hidden)) {}
  template <class Archive>
  void serialize(Archive& archive) {
    archive(hidden_);
  }
  numbers& hidden() { return hidden_; }

private:
  numbers hidden_;
};

void double_all(order work, std::optional<numbers> more, by_cereal hidden) {
  for (numbers& in : work.in) work.out.at("doubled").blocking_put(2 * in.blocking_get());
  if (more) more->blocking_put(7);
  hidden.hidden().blocking_put(8);
}

METHOD_TEST_ONCE(crosses_inside_of_arguments) {
  order work;
  for (int i = 1; i != 4; ++i) {
    work.in.emplace_back();
    work.in.back().put_nowait(i);
  }
  numbers doubled, more, hidden;
  work.out.emplace("doubled", doubled);
  coproc::process child(by(method), coproc::target<double_all>, work, std::optional(more), by_cereal(hidden));
  co_await child.start();
  co_await child.result();
  for (int i = 1; i != 4; ++i) BOOST_TEST(doubled.get_nowait() == 2 * i);
  BOOST_TEST(more.get_nowait() == 7);
  BOOST_TEST(hidden.get_nowait() == 8);
}

CO_TEST(crosses_through_a_connection) {
  auto [here, there] = coproc::make_pipe<order>();
  order sent;
  sent.in.emplace_back(3);
  numbers out;
  sent.out.emplace("out", out);
  co_await here.send(sent);
  order got = co_await there.recv();
  got.out.at("out").put_nowait(got.in.at(0).full() ? 0 : 5);
  got.in.at(0).put_nowait(6);
  BOOST_TEST(out.get_nowait() == 5);
  BOOST_TEST(sent.in[0].get_nowait() == 6);
}

BOOST_AUTO_TEST_CASE(item_that_hides_a_handle_is_refused) {
  leak_check nothing_left;
  coproc::shared_queue<by_cereal> queue;
  BOOST_CHECK_THROW(queue.put_nowait(by_cereal()), std::logic_error);
  BOOST_TEST(queue.empty());
}

BOOST_AUTO_TEST_CASE(to_arrive_makes_no_other_queue) {
  order work;
  work.in.emplace_back();
  work.out.emplace("out", numbers());
  coproc::detail::message message;
  coproc::wire::encode(message, work);
  fault none(coproc::os::call::memfd_create, EMFILE);
  auto got = coproc::wire::decode<order>(message);
  BOOST_TEST(none.hits() == 0u);
  got.in.at(0).put_nowait(1);
  BOOST_TEST(work.in[0].get_nowait() == 1);
}

// Waiting.

std::chrono::nanoseconds time_of_processor() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

BOOST_AUTO_TEST_CASE(idle_consumer_burns_no_processor_time) {
  constexpr auto patience = 400ms, most = 100ms;
  coproc::shared_queue<int> queue;
  auto before = time_of_processor();
  BOOST_CHECK_THROW(queue.blocking_get(patience), queue_empty);
  BOOST_TEST((time_of_processor() - before < most));

  asio::io_context loop;
  bool timed_out = false;
  auto wait = [&]() -> asio::awaitable<void> {
    try {
      co_await queue.get(patience);
    } catch (const queue_empty&) {
      timed_out = true;
    }
  };
  asio::co_spawn(loop, wait(), [](std::exception_ptr e) { BOOST_TEST(!e); });
  before = time_of_processor();
  loop.run_for(deadline());
  BOOST_TEST(timed_out);
  BOOST_TEST((time_of_processor() - before < most));
}

BOOST_AUTO_TEST_CASE(waiter_counts_as_work) {
  coproc::shared_queue<int> queue(1);
  asio::io_context loop;
  int got = 0;
  auto get = [&]() -> asio::awaitable<void> { got = co_await queue.get(); };
  asio::co_spawn(loop, get(), [](std::exception_ptr e) { BOOST_TEST(!e); });
  for (int i = 0; i != 100; ++i) loop.poll();
  BOOST_TEST(!loop.stopped());
  queue.put_nowait(4);
  loop.run_for(deadline());
  BOOST_TEST(got == 4);
  BOOST_TEST(loop.stopped());

  queue.put_nowait(5);
  loop.restart();
  auto put = [&]() -> asio::awaitable<void> { co_await queue.put(6); };
  asio::co_spawn(loop, put(), [](std::exception_ptr e) { BOOST_TEST(!e); });
  for (int i = 0; i != 100; ++i) loop.poll();
  BOOST_TEST(!loop.stopped());
  BOOST_TEST(queue.get_nowait() == 5);
  loop.run_for(deadline());
  BOOST_TEST(loop.stopped());
  BOOST_TEST(queue.get_nowait() == 6);
}

BOOST_AUTO_TEST_SUITE_END()
