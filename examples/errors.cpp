// What can go wrong, and what it looks like: a program that can't be started, one that fails, one that a
// signal kills, one that writes too much.
//
//     $ ./errors
//     no such program: spawn 'nslookp': No such file or directory
//     bad argument: std::invalid_argument
//     failed: exited with code 2, and said: cannot do that
//     died: killed by SIGTERM, returncode -15
//     wrote too much: stopped after 1000 bytes

#include <coproc/coproc.hpp>

#include <iostream>
#include <stdexcept>
#include <string>
#include <system_error>

using coproc::command;

asio::awaitable<void> amain() {
  try {
    co_await coproc::run(command("nslookp", "example.org"));
  } catch (const std::system_error& error) {
    if (error.code() == std::errc::no_such_file_or_directory)
      std::cout << "no such program: " << error.what() << '\n';
  }

  try {
    command program("echo", std::string("a NUL byte \0 can't be passed", 28));
  } catch (const std::invalid_argument&) { // at once, not at the start
    std::cout << "bad argument: std::invalid_argument\n";
  }

  try {
    co_await coproc::run(command::shell("echo cannot do that >&2; exit 2").check());
  } catch (const coproc::called_process_error& error) {
    std::cout << "failed: " << error.status.to_string() << ", and said: " << error.err;
  }

  // Without check() a failure is a value.
  coproc::completed died = co_await coproc::run(command::shell("kill -TERM $$"));
  std::cout << "died: " << died.status.to_string() << ", returncode " << died.status.returncode() << '\n';

  try {
    co_await coproc::run(command("yes").max_output(1000));
  } catch (const coproc::output_limit& error) {
    std::cout << "wrote too much: stopped after " << error.out.size() << " bytes\n";
  }
}

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
