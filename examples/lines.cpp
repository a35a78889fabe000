// Reads a program's lines as they come, while it still runs: one awaited read a line, and the faster way,
// which takes the lines that are here already without suspending.
//
//     $ ./lines
//     1 potato
//     2 potato
//     3 potato
//     exited with code 0
//     1000000 lines, 5888896 bytes

#include <coproc/coproc.hpp>

#include <cstddef>
#include <iostream>
#include <string_view>

asio::awaitable<void> line_by_line() {
  coproc::command count("seq", "-f", "%g potato", "3");
  coproc::child child = co_await coproc::spawn(count.out(coproc::stdio::pipe()));
  while (auto line = co_await child.out().read_line()) std::cout << *line << '\n';

  // The end of the output and the end of the program are two things.
  coproc::exit_status status = co_await child.wait();
  std::cout << status.to_string() << '\n';
}

asio::awaitable<void> at_the_speed_of_memory() {
  coproc::command count("seq", "1000000");
  coproc::child child = co_await coproc::spawn(count.out(coproc::stdio::pipe()));

  std::size_t lines = 0, bytes = 0;
  auto take = [&](std::string_view line) { ++lines, bytes += line.size(); };
  while (auto line = co_await child.out().read_line()) {
    take(*line);
    // A view into the stream's buffer, valid until the next read: nothing is copied.
    while (auto next = child.out().try_read_line()) take(*next);
  }
  co_await child.wait();
  std::cout << lines << " lines, " << bytes << " bytes\n";
}

asio::awaitable<void> amain() {
  co_await line_by_line();
  co_await at_the_speed_of_memory();
}

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
