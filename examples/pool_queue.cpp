// Tasks of a pool that talk while they run: a shared_queue crosses to them like any other argument.
//
//     $ ./pool_queue
//     120 words came while the tasks ran
//     the tasks had sent 120

#include <coproc/coproc.hpp>

#include <asio/this_coro.hpp>

#include <iostream>
#include <string>
#include <vector>

int send_words(coproc::shared_queue<std::string> words, int from, int count) {
  for (int i = 0; i != count; ++i) words.blocking_put("word " + std::to_string(from + i));
  return count;
}

asio::awaitable<void> amain() {
  coproc::pool workers(co_await asio::this_coro::executor, 2);
  coproc::shared_queue<std::string> words(8); // a task waits while 8 words are waiting

  std::vector<coproc::async_result<int>> tasks;
  for (int i = 0; i != 4; ++i) tasks.push_back(workers.apply_async<send_words>(words, i * 30, 30));

  int came = 0;
  while (came != 120) {
    std::string word = co_await words.get();
    if (word.starts_with("word ")) ++came;
  }
  std::cout << came << " words came while the tasks ran\n";

  int sent = 0;
  for (auto& task : tasks) sent += co_await task.get();
  std::cout << "the tasks had sent " << sent << '\n';
}

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
