// apply() waits for each result before the next call; apply_async() begins them all.
//
//     $ ./apply_async
//     apply: 3 tasks of 100 ms, one after another
//     apply_async: the same at once, in less than two thirds of the time
//     and each gave its result: 1 4 9

#include <coproc/coproc.hpp>

#include <asio/this_coro.hpp>

#include <chrono>
#include <iostream>
#include <thread>
#include <vector>

using clock_type = std::chrono::steady_clock;

int slow_square(int x) {
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  return x * x;
}

asio::awaitable<void> amain() {
  coproc::pool workers(co_await asio::this_coro::executor, 3);

  auto start = clock_type::now();
  for (int i = 1; i <= 3; ++i) co_await workers.apply<slow_square>(i);
  auto in_turn = clock_type::now() - start;
  std::cout << "apply: 3 tasks of 100 ms, one after another\n";

  start = clock_type::now();
  std::vector<coproc::async_result<int>> squares;
  for (int i = 1; i <= 3; ++i) squares.push_back(workers.apply_async<slow_square>(i));
  for (auto& square : squares) co_await square.wait();
  auto at_once = clock_type::now() - start;
  std::cout << "apply_async: the same at once, in " << (3 * at_once < 2 * in_turn ? "less" : "more")
            << " than two thirds of the time\n";

  std::cout << "and each gave its result:";
  for (auto& square : squares) std::cout << ' ' << co_await square.get();
  std::cout << '\n';
}

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
