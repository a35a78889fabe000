// A queue with a capacity holds a fast producer back (backpressure): it is never more than two items ahead of
// what the slow consumer has taken.
//
//     $ ./queue_bounded
//     full: no room for item 3
//     took 1
//     took 2
//     took 3
//     took 4
//     took 5
//     all 5 are done, never more than 2 in the queue

#include <coproc/queue.hpp>
#include <coproc/run_main.hpp>

#include <asio/experimental/awaitable_operators.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <iostream>

using namespace asio::experimental::awaitable_operators;
using namespace std::chrono_literals;

asio::awaitable<void> produce(coproc::queue<int>& jobs) {
  for (int i = 1; i <= 5; ++i) {
    if (i == 3 && jobs.full()) std::cout << "full: no room for item " << i << '\n';
    co_await jobs.put(i); // waits for room
  }
  co_await jobs.join(); // until task_done() was called for each
}

asio::awaitable<void> consume(coproc::queue<int>& jobs, std::size_t& most) {
  asio::steady_timer work(co_await asio::this_coro::executor);
  for (int i = 0; i != 5; ++i) {
    most = std::max(most, jobs.qsize());
    int job = co_await jobs.get();
    work.expires_after(5ms);
    co_await work.async_wait(asio::use_awaitable);
    std::cout << "took " << job << '\n';
    jobs.task_done();
  }
}

asio::awaitable<void> amain() {
  coproc::queue<int> jobs(2);
  std::size_t most = 0;
  co_await (produce(jobs) && consume(jobs, most));
  std::cout << "all 5 are done, never more than " << most << " in the queue\n";
}

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
