// A task that takes too long is killed, and its worker replaced; the others go on.
//
//     $ ./task_timeout
//     6 * 7 = 42
//     pool: 'endless' was killed after its timeout of 0.3 s
//     7 * 7 = 49
//     workers that were replaced: 1

#include <coproc/coproc.hpp>

#include <asio/this_coro.hpp>

#include <atomic>
#include <chrono>
#include <iostream>

using namespace std::chrono_literals;

int product(int a, int b) { return a * b; }

int endless() {
  for (std::atomic<int> i = 0;; ++i) {
  }
}

asio::awaitable<void> amain() {
  coproc::pool workers(co_await asio::this_coro::executor,
                       coproc::pool_options().size(1).task_timeout(300ms));
  std::cout << "6 * 7 = " << co_await workers.apply<product>(6, 7) << '\n';
  try {
    co_await workers.apply<endless>();
  } catch (const coproc::timeout_expired& e) {
    std::cout << e.what() << '\n';
  }
  std::cout << "7 * 7 = " << co_await workers.apply<product>(7, 7) << '\n';
  std::cout << "workers that were replaced: " << workers.stats().restarted << '\n';
}

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
