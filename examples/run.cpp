// Runs a program to its end and looks at how it went. No shell is involved: `*` reaches the program as it is.
//
//     $ ./run
//     6 * 7 is 42, exited with code 0
//     5 - 5 is 0, exited with code 1

#include <coproc/coproc.hpp>

#include <iostream>
#include <string>

asio::awaitable<void> calculate(std::string left, std::string operation, std::string right) {
  coproc::completed done = co_await coproc::run(coproc::command("expr", left, operation, right));

  // A program that fails is no exception, unless the command says check(): expr exits with 1 if the result is
  // 0.
  if (done.out.ends_with('\n')) done.out.pop_back();
  std::cout << left << ' ' << operation << ' ' << right << " is " << done.out << ", "
            << done.status.to_string() << '\n';
}

asio::awaitable<void> amain() {
  co_await calculate("6", "*", "7");
  co_await calculate("5", "-", "5");
}

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
