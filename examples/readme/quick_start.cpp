// The README's quick start.
//
//     $ ./quick_start
//     apple
//     pear
//     exited with code 0
//     line: 1
//     line: 2

// [quick_start]
#include <coproc/coproc.hpp>
#include <iostream>

asio::awaitable<void> amain() {
  // Run a program to its end.
  auto done = co_await coproc::run(coproc::command("sort").input("pear\napple\n"));
  std::cout << done.out << done.status.to_string() << '\n';

  // Or start it, and take its lines as they come.
  auto child = co_await coproc::spawn(coproc::command("seq", "2").out(coproc::stdio::pipe()));
  while (auto line = co_await child.out().read_line()) std::cout << "line: " << *line << '\n';
}

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
// [quick_start]
