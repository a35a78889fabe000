// Runs many programs, no more than four of them at any time, and keeps the order of their results.
//
//     $ ./many_at_once
//     1000000: 2 2 2 2 2 2 5 5 5 5 5 5
//     1000001: 101 9901
//     1000002: 2 3 166667
//     and 37 more, never more than 4 at once

#include <coproc/coproc.hpp>

#include <asio/experimental/awaitable_operators.hpp>

#include <algorithm>
#include <cstddef>
#include <iostream>
#include <span>
#include <string>
#include <vector>

struct job {
  std::string number, answer;
};

struct gauge { // how many run now, and did at most
  std::size_t now = 0, most = 0;
};

asio::awaitable<void> factor(job& work, coproc::semaphore& cap, gauge& running) {
  coproc::permit permit = co_await cap.acquire(); // given back at the end of this function
  running.most = std::max(running.most, ++running.now);
  work.answer = co_await coproc::check_output(coproc::command("factor", work.number));
  --running.now;
}

// Both halves at the same time. `&&` waits for both; if one fails, the other is cancelled: its waiting jobs
// leave the queue, its running programs are stopped.
asio::awaitable<void> factor_all(std::span<job> work, coproc::semaphore& cap, gauge& running) {
  using namespace asio::experimental::awaitable_operators;
  if (work.size() == 1) {
    co_await factor(work.front(), cap, running);
  } else if (!work.empty()) {
    auto half = work.size() / 2;
    co_await (factor_all(work.first(half), cap, running) && factor_all(work.subspan(half), cap, running));
  }
}

asio::awaitable<void> amain() {
  std::vector<job> work(40);
  for (std::size_t i = 0; i != work.size(); ++i) work[i].number = std::to_string(1'000'000 + i);

  coproc::semaphore cap(4);
  gauge running;
  co_await factor_all(work, cap, running);

  for (const job& done : std::span(work).first(3)) std::cout << done.answer;
  std::cout << "and " << work.size() - 3 << " more, never more than " << running.most << " at once\n";
}

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
