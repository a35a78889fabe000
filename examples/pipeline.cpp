// Connects programs, each one's output being the next one's input, without a shell in between.
//
//     $ ./pipeline
//     3 ham
//     2 spam
//     1 egg
//     head took what it wanted: 1 2, and seq was killed by SIGPIPE
//     false | cat: exited with code 1

#include <coproc/coproc.hpp>

#include <iostream>
#include <utility>

using coproc::command;

asio::awaitable<void> amain() {
  command sort("sort");
  sort.input("ham\nspam\nham\negg\nspam\nham\n");
  // sed: uniq -c pads its numbers
  coproc::pipeline count = sort | command("uniq", "-c") | command("sort", "-rn") | command("sed", "s/^ *//");
  coproc::completed counted = co_await coproc::run(count);
  std::cout << counted.out;

  // A stage that ends early ends its producers, as in a shell.
  coproc::pipeline early = command("seq", "-s", " ", "1000000000") | command("head", "-c", "3");
  coproc::completed head = co_await coproc::run(early);
  std::cout << "head took what it wanted: " << head.out << ", and seq was " << head.statuses[0].to_string()
            << '\n';

  // The status is that of the last stage that failed (the shell's pipefail).
  coproc::pipeline failing = command("false") | command("cat");
  coproc::completed failed = co_await coproc::run(failing);
  std::cout << failing.to_string() << ": " << failed.status.to_string() << '\n';
}

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
