// Reads names that end with a NUL byte, as `find -print0` and `git ls-files -z` write them: a name may hold
// anything else.
//
//     $ ./delimiter
//     <a name with spaces>
//     <two
//     lines>
#include <coproc/coproc.hpp>

#include <iostream>

using coproc::command;
using coproc::stdio;

asio::awaitable<void> amain() {
  command names("printf", "%s\\0", "a name with spaces", "two\nlines"); // in place of find
  coproc::child child = co_await coproc::spawn(names.out(stdio::pipe()));
  while (auto name = co_await child.out().read_until('\0')) std::cout << '<' << *name << ">\n";
  co_await child.wait();
}

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
