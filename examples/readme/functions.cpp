// The README's snippets about functions in child processes, pipes, queues and pools.
//
//     $ ./functions
//     words: 4
//     std::invalid_argument: 'x' is no number
//     joined: no, killed by SIGTERM
//     answer: 42
//     queue: 0 1 2
//     squares: 328350

#include <coproc/coproc.hpp>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/this_coro.hpp>

#include <chrono>
#include <iostream>
#include <numeric>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

namespace {

// [function]
std::size_t count_words(std::string text) {
  std::istringstream in(text);
  std::size_t count = 0;
  for (std::string word; in >> word;) ++count;
  return count;
}

asio::awaitable<void> count() {
  coproc::process counter{coproc::target<count_words>, "to be or not"};
  co_await counter.start();
  std::size_t words = co_await counter.result(); // in the host's memory: what the child returned
  std::cout << "words: " << words << '\n';
}
// [function]

int parse(std::string text) {
  if (text.find_first_not_of("0123456789") != std::string::npos)
    throw std::invalid_argument("'" + text + "' is no number");
  return std::stoi(text);
}

asio::awaitable<void> fail() {
  // [function_errors]
  coproc::process parser{coproc::target<parse>, "x"};
  co_await parser.start();
  try {
    co_await parser.result();
  } catch (const coproc::remote_error& error) { // the function threw
    std::cout << error.type() << ": " << error.message() << '\n';
  } catch (const coproc::process_died& death) { // it called exit(), or was killed: death.status says how
    std::cout << death.what() << '\n';
  }
  // [function_errors]
}

void sleep_for_long() { std::this_thread::sleep_for(600s); }

asio::awaitable<void> end_it() {
  // [function_join]
  coproc::process sleeper{coproc::process_options().name("sleeper"), coproc::target<sleep_for_long>};
  co_await sleeper.start();
  bool ended = co_await sleeper.join(50ms);
  if (!ended) sleeper.terminate();
  co_await sleeper.join();
  // [function_join]
  std::cout << "joined: " << (ended ? "yes" : "no") << ", " << sleeper.status()->to_string() << '\n';
}

// [make_pipe]
asio::awaitable<void> answer(coproc::connection<int, std::string> asker) {
  std::string question = co_await asker.recv();
  co_await asker.send(static_cast<int>(question.size()));
}

asio::awaitable<void> ask() {
  auto [mine, its] = coproc::make_pipe<std::string, int>();
  coproc::process oracle{coproc::target<answer>, std::move(its)};
  co_await oracle.start();
  co_await mine.send("what is the length of this long question?!");
  int length = co_await mine.recv();
  std::cout << "answer: " << length << '\n';
}
// [make_pipe]

// [shared_queue]
void produce(coproc::shared_queue<int> numbers, int count) {
  for (int n = 0; n != count; ++n) numbers.blocking_put(n);
  numbers.close();
}

asio::awaitable<void> consume() {
  coproc::shared_queue<int> numbers(100);
  coproc::process producer{coproc::target<produce>, numbers, 3};
  co_await producer.start();
  std::cout << "queue:";
  try {
    for (;;) {
      int n = co_await numbers.get();
      std::cout << ' ' << n;
    }
  } catch (const coproc::queue_closed&) { // closed, and everything has been got
    std::cout << '\n';
  }
}
// [shared_queue]

// [pool]
long square(long n) { return n * n; }

asio::awaitable<void> squares() {
  coproc::pool pool(co_await asio::this_coro::executor); // as many workers as usable CPUs
  std::vector<long> numbers(100);
  std::iota(numbers.begin(), numbers.end(), 0);
  std::vector<long> results = co_await pool.map<square>(numbers);
  std::cout << "squares: " << std::accumulate(results.begin(), results.end(), 0L) << '\n';
  pool.close();
  co_await pool.join();
}
// [pool]

asio::awaitable<void> amain() {
  co_await count();
  co_await fail();
  co_await end_it();
  co_await ask();
  co_await consume();
  co_await squares();
}

} // namespace

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
