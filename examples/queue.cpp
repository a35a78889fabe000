// A queue between coroutines: two producers, one consumer, and an end.
//
//     $ ./queue
//     ada: 1
//     ada: 2
//     bob: 1
//     bob: 2
//     closed after 4 items

#include <coproc/queue.hpp>
#include <coproc/run_main.hpp>

#include <asio/experimental/awaitable_operators.hpp>

#include <iostream>
#include <string>

using namespace asio::experimental::awaitable_operators;

asio::awaitable<void> produce(std::string name, coproc::queue<std::string>& lines) {
  for (int i = 1; i <= 2; ++i) co_await lines.put(name + ": " + std::to_string(i));
}

asio::awaitable<void> produce_all(coproc::queue<std::string>& lines) {
  co_await (produce("ada", lines) && produce("bob", lines));
  lines.close(); // the consumer gets what is there, and then an exception
}

asio::awaitable<void> consume(coproc::queue<std::string>& lines) {
  int count = 0;
  try {
    for (;; ++count) std::cout << co_await lines.get() << '\n';
  } catch (const coproc::queue_closed&) {
    std::cout << "closed after " << count << " items\n";
  }
}

asio::awaitable<void> amain() {
  coproc::queue<std::string> lines(1);
  co_await (produce_all(lines) && consume(lines));
}

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
