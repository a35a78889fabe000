// Gives a program its input: from memory, while its output is read at the same time, or from a file.
//
//     $ ./input
//     apple
//     fig
//     pear
//     1000000 bytes came back
//     the file begins with: // Gives a program

#include <coproc/coproc.hpp>

#include <filesystem>
#include <iostream>
#include <string>

asio::awaitable<void> amain() {
  coproc::completed sorted = co_await coproc::run(coproc::command("sort").input("pear\napple\nfig\n"));
  std::cout << sorted.out;

  // Far more than two pipes hold: it is fed and drained at once.
  const std::string megabyte(1'000'000, 'x');
  coproc::completed echoed = co_await coproc::run(coproc::command("cat").input(megabyte));
  std::cout << echoed.out.size() << " bytes came back" << (echoed.out == megabyte ? "" : ", but others")
            << '\n';

  const std::filesystem::path file = __FILE__;
  coproc::command head("head", "-c", "18");
  head.in(coproc::stdio::file(file));
  coproc::completed begin = co_await coproc::run(head);
  std::cout << "the file begins with: " << begin.out << '\n';
}

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
