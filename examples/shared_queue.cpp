// A queue between processes: one writes, one reads, and each gets its handle as an argument.
//
//     $ ./shared_queue
//     reader: one
//     reader: two
//     reader: three
//     reader is done: 3 words

#include <coproc/process.hpp>
#include <coproc/run_main.hpp>
#include <coproc/shared_queue.hpp>

#include <iostream>
#include <string>

using words = coproc::shared_queue<std::string>;

// A plain function blocks its process while it waits ...
void write_words(words queue) {
  for (const char* word : {"one", "two", "three"}) queue.blocking_put(word);
  queue.close(); // readers get what is there, and then an exception
}

// ... a coroutine waits on its event loop.
asio::awaitable<int> read_words(words queue) {
  int count = 0;
  try {
    for (;; ++count) {
      const std::string word = co_await queue.get();
      std::cout << "reader: " << word << std::endl;
    }
  } catch (const coproc::queue_closed&) {
  }
  co_return count;
}

asio::awaitable<void> amain() {
  words queue(2); // the writer waits while two words are unread
  coproc::process reader(coproc::target<read_words>, queue);
  coproc::process writer(coproc::target<write_words>, queue);
  co_await reader.start();
  co_await writer.start();
  co_await writer.result();
  const int count = co_await reader.result();
  std::cout << "reader is done: " << count << " words\n";
}

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
