// A worker that dies costs the task that it ran, and nothing else: the pool replaces it and goes on.
//
//     $ ./worker_crash
//     100 / 1 = 100
//     100 / 2 = 50
//     100 / 0: the worker died: killed by SIGABRT
//     100 / 4 = 25
//     100 / 5 = 20
//     4 completed, 1 failed

#include <coproc/coproc.hpp>

#include <asio/this_coro.hpp>

#include <cstdlib>
#include <iostream>
#include <vector>

/// Ends the process, as a failed assertion does.
int divide(int a, int b) {
  if (b == 0) std::abort();
  return a / b;
}

asio::awaitable<void> amain() {
  coproc::pool workers(co_await asio::this_coro::executor, 2);

  const std::vector<int> divisors{1, 2, 0, 4, 5};
  std::vector<coproc::async_result<int>> quotients;
  for (int divisor : divisors) quotients.push_back(workers.apply_async<divide>(100, divisor));

  for (std::size_t i = 0; i != divisors.size(); ++i) {
    std::cout << "100 / " << divisors[i];
    try {
      int quotient = co_await quotients[i].get();
      std::cout << " = " << quotient << '\n';
    } catch (const coproc::worker_died& e) {
      std::cout << ": the worker died: " << e.status.to_string() << '\n';
    }
  }
  auto counts = workers.stats();
  std::cout << counts.completed << " completed, " << counts.failed << " failed\n";
}

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
