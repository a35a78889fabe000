// What functions in child processes can be, and what they take: structs as keyword arguments, containers,
// templates, lambdas, coroutines.
//
//     $ ./function_arguments
//     a struct: 3 pages of A4, landscape
//     containers: jan 31, feb 28
//     a template: 42
//     a lambda: 25
//     a coroutine: 3 ticks

#include <coproc/coproc.hpp>

#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <iostream>
#include <map>
#include <string>

// Any aggregate crosses, without a macro. Its member names serve as Python's keywords do.
struct print_job {
  int pages = 1;
  std::string paper = "A4";
  bool landscape = false;
};

std::string print(print_job job) {
  return std::to_string(job.pages) + " pages of " + job.paper + (job.landscape ? ", landscape" : "");
}

std::string list(const std::map<std::string, int>& days, std::string separator) {
  std::string text;
  for (const auto& [month, count] : days)
    text = month + ' ' + std::to_string(count) + (text.empty() ? "" : separator) + text;
  return text;
}

template <class T>
T twice(T value) {
  return value + value;
}

asio::awaitable<int> count_ticks(int n, std::chrono::milliseconds each) {
  asio::steady_timer timer(co_await asio::this_coro::executor); // of an io_context in the child
  int ticks = 0;
  while (ticks != n) {
    timer.expires_after(each);
    co_await timer.async_wait(asio::use_awaitable);
    ++ticks;
  }
  co_return ticks;
}

asio::awaitable<void> amain() {
  print_job job{.pages = 3, .landscape = true};
  coproc::process printer{coproc::target<print>, job};
  co_await printer.start();
  std::string printed = co_await printer.result();
  std::cout << "a struct: " << printed << '\n';

  std::map<std::string, int> days{{"feb", 28}, {"jan", 31}};
  coproc::process lister{coproc::target<list>, days, ", "};
  co_await lister.start();
  std::string listed = co_await lister.result();
  std::cout << "containers: " << listed << '\n';

  coproc::process doubler{coproc::target<twice<int>>, 21};
  co_await doubler.start();
  int doubled = co_await doubler.result();
  std::cout << "a template: " << doubled << '\n';

  coproc::process squarer{coproc::target<[](int n) { return n * n; }>, 5};
  co_await squarer.start();
  int squared = co_await squarer.result();
  std::cout << "a lambda: " << squared << '\n';

  coproc::process ticker{coproc::target<count_ticks>, 3, std::chrono::milliseconds(1)};
  co_await ticker.start();
  int ticks = co_await ticker.result();
  std::cout << "a coroutine: " << ticks << " ticks\n";
}

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
