// Question: what does an item cost that goes through a queue between two coroutines of one loop?
// Unit: nanoseconds an item, which is put once and got once.
// Varies: put_get: one coroutine puts an item and gets it, nobody ever waits. hand_over: a producer and a
// consumer,
//   who wait for each other as the capacity demands. nowait: no coroutine. And the capacity.
//   semaphore: no item, but a permit that is acquired and released.
// Fixed: items of 8 bytes.
// Limit: raw_awaitables, two awaitables of Asio that do nothing: what any put and get that are awaited cost
// at least.
//   raw_passing, the same of two functions in two places, as a put and a get are: one takes an item, the
//   other returns one. (Asio resumes all coroutines from one place, and the processor has to guess which
//   comes next.) raw_coroutines, a queue of plain C++20 coroutines that resume each other: no loop, no
//   executor, no cancellation.

#include "support/contest.hpp"
#include "support/lanes.hpp"
#include "support/peer.hpp"

#include <coproc/queue.hpp>
#include <coproc/semaphore.hpp>

#include <asio/experimental/channel.hpp>

#include <algorithm>
#include <coroutine>
#include <cstddef>
#include <deque>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace bench {

namespace {

void expect(bool good) {
  if (!good) throw std::runtime_error("items were lost");
}

/// Runs two coroutines to their ends.
outcome run_two(asio::io_context& context, asio::awaitable<void> a, asio::awaitable<void> b) {
  std::exception_ptr failed;
  auto note = [&](std::exception_ptr e) {
    if (e) failed = e;
  };
  asio::co_spawn(context, std::move(a), note);
  asio::co_spawn(context, std::move(b), note);
  const auto begin = std::chrono::steady_clock::now();
  context.run();
  const auto end = std::chrono::steady_clock::now();
  if (failed) std::rethrow_exception(failed);
  return {end - begin};
}

// coproc

asio::awaitable<void> put_and_get(const workload& work) {
  coproc::queue<std::int64_t> queue(static_cast<std::ptrdiff_t>(work.width));
  std::int64_t sum = 0;
  for (std::int64_t i = 0; i != work.count; ++i) {
    co_await queue.put(i);
    sum += co_await queue.get();
  }
  expect(sum == work.count * (work.count - 1) / 2);
}

asio::awaitable<void> produce(const workload& work, coproc::queue<std::int64_t>& queue) {
  for (std::int64_t i = 0; i != work.count; ++i) co_await queue.put(i);
}

asio::awaitable<void> consume(const workload& work, coproc::queue<std::int64_t>& queue) {
  std::int64_t sum = 0;
  for (std::int64_t i = 0; i != work.count; ++i) sum += co_await queue.get();
  expect(sum == work.count * (work.count - 1) / 2);
}

outcome coproc_put_get(const workload& work) { return run_alone(work, put_and_get); }

outcome coproc_hand_over(const workload& work) {
  coproc::queue<std::int64_t> queue(static_cast<std::ptrdiff_t>(work.width));
  asio::io_context context(1);
  return run_two(context, produce(work, queue), consume(work, queue));
}

outcome coproc_nowait(const workload& work) {
  coproc::queue<std::int64_t> queue(static_cast<std::ptrdiff_t>(work.width));
  const auto begin = std::chrono::steady_clock::now();
  std::int64_t sum = 0;
  for (std::int64_t i = 0; i != work.count; ++i) {
    queue.put_nowait(i);
    sum += queue.get_nowait();
  }
  const auto end = std::chrono::steady_clock::now();
  expect(sum == work.count * (work.count - 1) / 2);
  return {end - begin};
}

outcome deque_nowait(const workload& work) {
  std::deque<std::int64_t> queue;
  const auto begin = std::chrono::steady_clock::now();
  std::int64_t sum = 0;
  for (std::int64_t i = 0; i != work.count; ++i) {
    queue.push_back(i);
    sum += queue.front();
    queue.pop_front();
  }
  const auto end = std::chrono::steady_clock::now();
  expect(sum == work.count * (work.count - 1) / 2);
  return {end - begin};
}

asio::awaitable<void> acquire_and_release(const workload& work) {
  coproc::semaphore semaphore(static_cast<std::size_t>(work.width));
  for (std::int64_t i = 0; i != work.count; ++i) {
    coproc::permit permit = co_await semaphore.acquire();
    permit.release();
  }
}

outcome coproc_semaphore(const workload& work) { return run_alone(work, acquire_and_release); }

// Asio

asio::awaitable<void> nothing() { co_return; }

template <int Times>
asio::awaitable<void> await_nothing(const workload& work) {
  for (std::int64_t i = 0; i != work.count; ++i)
    for (int n = 0; n != Times; ++n) co_await nothing();
}

asio::awaitable<void> take_item(std::int64_t) { co_return; }
asio::awaitable<std::int64_t> give_item() { co_return 1; }

asio::awaitable<void> pass_in_turn(const workload& work) {
  std::int64_t sum = 0;
  for (std::int64_t i = 0; i != work.count; ++i) {
    co_await take_item(i);
    sum += co_await give_item();
  }
  expect(sum == work.count);
}

asio::awaitable<void> pass_in_runs(const workload& work) {
  std::int64_t sum = 0;
  for (std::int64_t i = 0; i < work.count; i += work.width) {
    const std::int64_t run = std::min(work.width, work.count - i);
    for (std::int64_t n = 0; n != run; ++n) co_await take_item(n);
    for (std::int64_t n = 0; n != run; ++n) sum += co_await give_item();
  }
  expect(sum == work.count);
}

outcome raw_pass_in_turn(const workload& work) { return run_alone(work, pass_in_turn); }
outcome raw_pass_in_runs(const workload& work) { return run_alone(work, pass_in_runs); }

outcome raw_two_awaitables(const workload& work) { return run_alone(work, await_nothing<2>); }
outcome raw_one_awaitable(const workload& work) { return run_alone(work, await_nothing<1>); }

using channel = asio::experimental::channel<void(asio::error_code, std::int64_t)>;

asio::awaitable<void> channel_put_and_get(const workload& work) {
  channel items(co_await asio::this_coro::executor, static_cast<std::size_t>(work.width));
  std::int64_t sum = 0;
  for (std::int64_t i = 0; i != work.count; ++i) {
    co_await items.async_send(asio::error_code(), i, asio::use_awaitable);
    sum += co_await items.async_receive(asio::use_awaitable);
  }
  expect(sum == work.count * (work.count - 1) / 2);
}

asio::awaitable<void> channel_produce(const workload& work, channel& items) {
  for (std::int64_t i = 0; i != work.count; ++i)
    co_await items.async_send(asio::error_code(), i, asio::use_awaitable);
}

asio::awaitable<void> channel_consume(const workload& work, channel& items) {
  std::int64_t sum = 0;
  for (std::int64_t i = 0; i != work.count; ++i) sum += co_await items.async_receive(asio::use_awaitable);
  expect(sum == work.count * (work.count - 1) / 2);
}

outcome channel_put_get(const workload& work) { return run_alone(work, channel_put_and_get); }

outcome channel_hand_over(const workload& work) {
  asio::io_context context(1);
  channel items(context, static_cast<std::size_t>(work.width));
  return run_two(context, channel_produce(work, items), channel_consume(work, items));
}

// Plain coroutines

struct routine {
  struct promise_type {
    routine get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
  std::coroutine_handle<promise_type> handle;
};

/// One producer and one consumer.
class plain_queue {
public:
  explicit plain_queue(std::int64_t capacity) : capacity_(capacity), items_(std::size_t(capacity)) {}

  struct put_operation {
    plain_queue& queue;
    std::int64_t item;
    bool await_ready() const { return queue.size_ != queue.capacity_; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> self) {
      queue.producer_ = self;
      return std::exchange(queue.consumer_, std::noop_coroutine());
    }
    void await_resume() {
      queue.items_[std::size_t(queue.in_++ % queue.capacity_)] = item;
      ++queue.size_;
    }
  };
  struct get_operation {
    plain_queue& queue;
    bool await_ready() const { return queue.size_ != 0; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> self) {
      queue.consumer_ = self;
      return std::exchange(queue.producer_, std::noop_coroutine());
    }
    std::int64_t await_resume() {
      --queue.size_;
      return queue.items_[std::size_t(queue.out_++ % queue.capacity_)];
    }
  };
  put_operation put(std::int64_t item) { return {*this, item}; }
  get_operation get() { return {*this}; }

  void set_producer(std::coroutine_handle<> producer) { producer_ = producer; }

private:
  std::int64_t capacity_, size_ = 0, in_ = 0, out_ = 0;
  std::vector<std::int64_t> items_;
  std::coroutine_handle<> producer_ = std::noop_coroutine(), consumer_ = std::noop_coroutine();
};

routine plain_produce(plain_queue& queue, std::int64_t count) {
  for (std::int64_t i = 0; i != count; ++i) co_await queue.put(i);
}

routine plain_consume(plain_queue& queue, std::int64_t count, std::int64_t& sum) {
  for (std::int64_t i = 0; i != count; ++i) sum += co_await queue.get();
}

outcome raw_coroutines(const workload& work) {
  plain_queue queue(work.width);
  std::int64_t sum = 0;
  routine producer = plain_produce(queue, work.count), consumer = plain_consume(queue, work.count, sum);
  queue.set_producer(producer.handle);
  const auto begin = std::chrono::steady_clock::now();
  consumer.handle.resume();
  if (!consumer.handle.done()) consumer.handle.resume(); // the producer has ended
  const auto end = std::chrono::steady_clock::now();
  expect(consumer.handle.done() && sum == work.count * (work.count - 1) / 2);
  producer.handle.destroy();
  consumer.handle.destroy();
  return {end - begin};
}

void compete_with_peers(const std::string& title, std::vector<contestant> all, const char* question,
                        std::int64_t count, std::int64_t capacity) {
  for (auto& peer : peers(question)) {
    if (peer.name.starts_with("python")) peer.divisor = 16;
    all.push_back(std::move(peer));
  }
  compete(title, all, {question, "-", count, capacity}, {}, unit::time_per_item);
}

} // namespace

void ask(const settings& how) {
  const std::int64_t count = how.smoke ? 1000 : 200'000;
  compete_with_peers("queue/put_get/capacity:1024",
                     {{"coproc", coproc_put_get, {}},
                      {"raw_awaitables", raw_two_awaitables, {}},
                      {"raw_passing", raw_pass_in_turn, {}},
                      {"asio_channel", channel_put_get, {}}},
                     "queue_put_get", count, 1024);
  for (std::int64_t capacity : {1, 1024})
    compete_with_peers("queue/hand_over/capacity:" + std::to_string(capacity),
                       {{"coproc", coproc_hand_over, {}},
                        {"raw_awaitables", raw_two_awaitables, {}},
                        {"raw_passing", raw_pass_in_runs, {}},
                        {"raw_coroutines", raw_coroutines, {}},
                        {"asio_channel", channel_hand_over, {}}},
                       "queue_hand_over", count, capacity);
  compete("queue/nowait/capacity:1024", {{"coproc", coproc_nowait, {}}, {"raw_deque", deque_nowait, {}}},
          {"queue_nowait", "-", count, 1024}, {}, unit::time_per_item);
  compete("semaphore/uncontended",
          {{"coproc", coproc_semaphore, {}}, {"raw_awaitable", raw_one_awaitable, {}}},
          {"semaphore", "-", count, 1}, {}, unit::time_per_item);
}

} // namespace bench
