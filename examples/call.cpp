// Calls a program as a shell does: on the host's own stdin, stdout and stderr, so that it can own the
// terminal (an editor, a pager). What comes back is the exit code alone.
//
//     $ ./call
//     the program writes here itself
//     and returned 0
//     test -d /etc/passwd returned 1

#include <coproc/coproc.hpp>

#include <iostream>

asio::awaitable<void> amain() {
  int code = co_await coproc::call(coproc::command("echo", "the program writes here itself"));
  std::cout << "and returned " << code
            << std::endl; // what is still buffered here would come after the next one's output

  coproc::command test("test", "-d", "/etc/passwd");
  code = co_await coproc::call(test);
  std::cout << test.to_string() << " returned " << code << '\n';
}

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
