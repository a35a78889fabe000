// Talks to a program that keeps running, through its stdin and stdout: here a shell that does sums.
//
//     $ ./interactive
//     6 * 7 = 42
//     2 + 2 = 4
//     1 << 40 = 1099511627776
//     bye: exited with code 7

#include <coproc/coproc.hpp>

#include <iostream>
#include <string>

asio::awaitable<std::string> ask(coproc::child& shell, std::string sum) {
  std::string request =
      "echo $(( " + sum + " ))\n"; // write() takes a view: the bytes have to live until it is done
  co_await shell.in().write(request);
  auto answer = co_await shell.out().read_line();
  co_return answer.value_or("(the shell is gone)");
}

asio::awaitable<void> amain() {
  coproc::command sh("sh");
  coproc::child shell = co_await coproc::spawn(sh.in(coproc::stdio::pipe()).out(coproc::stdio::pipe()));

  for (const char* sum : {"6 * 7", "2 + 2", "1 << 40"}) {
    std::string answer = co_await ask(shell, sum);
    std::cout << sum << " = " << answer << '\n';
  }

  co_await shell.in().write("exit 7\n");
  shell.in().close(); // end of file, for a program that waits for one
  coproc::exit_status status = co_await shell.wait();
  std::cout << "bye: " << status.to_string() << '\n';
}

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
