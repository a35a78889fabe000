// A pool of four worker processes and five tasks: four run at once, and the fifth when a worker is free.
//
//     $ ./pool
//     waiting for all tasks
//     task 0 slept 40 ms in one of the workers
//     task 1 slept 80 ms in one of the workers
//     task 2 slept 20 ms in one of the workers
//     task 3 slept 60 ms in one of the workers
//     task 4 slept 10 ms in one of the workers
//     all tasks done, by no more than 4 workers

#include <coproc/coproc.hpp>

#include <asio/this_coro.hpp>

#include <chrono>
#include <iostream>
#include <set>
#include <string>
#include <thread>
#include <vector>

struct report {
  std::string text;
  int worker = 0;
};

report long_task(int number, int milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
  report done;
  done.text = "task " + std::to_string(number) + " slept " + std::to_string(milliseconds) + " ms";
  done.worker = coproc::this_process::pid();
  return done;
}

asio::awaitable<void> amain() {
  coproc::pool workers(co_await asio::this_coro::executor, 4);
  const std::vector<int> times{40, 80, 20, 60, 10};

  std::vector<coproc::async_result<report>> tasks;
  for (int i = 0; i != 5; ++i) tasks.push_back(workers.apply_async<long_task>(i, times[std::size_t(i)]));

  std::cout << "waiting for all tasks\n";
  workers.close();         // no more tasks after this
  co_await workers.join(); // until all are done and the workers have ended

  std::set<int> pids;
  for (auto& task : tasks) {
    report done = co_await task.get();
    std::cout << done.text << " in one of the workers\n";
    pids.insert(done.worker);
  }
  std::cout << "all tasks done, by " << (pids.size() <= 4 ? "no more" : "more") << " than 4 workers\n";
}

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
