// Work for several processes: each takes the next job when it has finished one. The host waits until all are
// done, then closes the queue. A job that is a struct crosses as it is.
//
//     $ ./work_queue
//     1^2 + ... + 10^2 = 385
//     1^2 + ... + 20^2 = 2870
//     1^2 + ... + 30^2 = 9455
//     all workers ended well

#include <coproc/process.hpp>
#include <coproc/run_main.hpp>
#include <coproc/shared_queue.hpp>

#include <iostream>
#include <vector>

struct job {
  int number;
  long input;
};

struct answer {
  int number;
  long output;
};

void work(coproc::shared_queue<job> jobs, coproc::shared_queue<answer> answers) {
  try {
    for (;;) {
      const job next = jobs.blocking_get();
      answers.blocking_put(answer{next.number, next.input * next.input});
      jobs.task_done();
    }
  } catch (const coproc::queue_closed&) {
  }
}

asio::awaitable<long> squares(coproc::shared_queue<job>& jobs, coproc::shared_queue<answer>& answers,
                              int first, int last) {
  for (int i = first; i <= last; ++i) co_await jobs.emplace(i, long{i});
  co_await jobs.join(); // every job has been taken, and task_done() been called
  long sum = 0;
  while (!answers.empty()) sum += answers.get_nowait().output;
  co_return sum;
}

asio::awaitable<void> amain() {
  coproc::shared_queue<job> jobs(4);
  coproc::shared_queue<answer> answers;
  std::vector<coproc::process<void>> workers;
  for (int i = 0; i != 3; ++i) {
    workers.emplace_back(coproc::target<work>, jobs, answers);
    co_await workers.back().start();
  }
  long sum = co_await squares(jobs, answers, 1, 10);
  std::cout << "1^2 + ... + 10^2 = " << sum << '\n';
  sum += co_await squares(jobs, answers, 11, 20);
  std::cout << "1^2 + ... + 20^2 = " << sum << '\n';
  sum += co_await squares(jobs, answers, 21, 30);
  std::cout << "1^2 + ... + 30^2 = " << sum << '\n';
  jobs.close();
  for (auto& worker : workers) co_await worker.result();
  std::cout << "all workers ended well\n";
}

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
