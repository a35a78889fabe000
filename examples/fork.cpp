// Memory is not shared; and the start method `fork`, which copies what the host has at that moment, so that a
// lambda with captures can run in the child.
//
//     $ ./fork
//     the child counted to 1, the host is at 100
//     a fork saw 100, and made it 101; the host is still at 100
//     a capture: 3 lines

#include <coproc/coproc.hpp>

#include <iostream>
#include <string>
#include <vector>

int counter = 0;

int count() { return ++counter; }

asio::awaitable<void> amain() {
  counter = 100;

  coproc::process fresh{coproc::target<count>}; // begins as the program did, with a counter of its own
  co_await fresh.start();
  int counted = co_await fresh.result();
  std::cout << "the child counted to " << counted << ", the host is at " << counter << '\n';

  coproc::process copy{coproc::process_options().method(coproc::start_method::fork), coproc::target<count>};
  co_await copy.start();
  counted = co_await copy.result();
  std::cout << "a fork saw 100, and made it " << counted << "; the host is still at " << counter << '\n';

  std::vector<std::string> lines{"one", "two", "three"};
  auto count_lines = [&lines] { return lines.size(); }; // what it refers to is there in the child, too
  coproc::process counting{coproc::fork_target, count_lines};
  co_await counting.start();
  std::size_t size = co_await counting.result();
  std::cout << "a capture: " << size << " lines\n";
}

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
