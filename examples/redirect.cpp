// Sends a program's streams to files: written anew, appended to, and both streams to one file in order.
//
//     $ ./redirect
//     one
//     two, on stderr
//     three
//     5 words

#include <coproc/coproc.hpp>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>

using coproc::command;
using coproc::stdio;

// A file with a name of its own, removed at the end.
struct temporary_file {
  std::filesystem::path path;
  explicit temporary_file(std::string name)
      : path(std::filesystem::temp_directory_path() / std::move(name)) {}
  temporary_file(const temporary_file&) = delete;
  temporary_file& operator=(const temporary_file&) = delete;
  ~temporary_file() {
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
  }
};

asio::awaitable<void> amain() {
  std::string name = co_await coproc::check_output(command("mktemp", "-u", "coproc-redirect-XXXXXXXX"));
  name.pop_back(); // the newline
  const temporary_file file(name);

  // run() captures what the command does not send elsewhere.
  command first = command::shell("echo one; echo two, on stderr >&2");
  first.out(stdio::file(file.path)).err(stdio::merge()).check();
  co_await coproc::run(first);

  command second("echo", "three");
  second.out(stdio::append(file.path)).check();
  co_await coproc::run(second);

  std::string content = co_await coproc::check_output(command("cat", file.path));
  command count("wc", "-w");
  count.in(stdio::file(file.path));
  std::string words = co_await coproc::check_output(count);
  std::cout << content << std::stoi(words) << " words\n";
}

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
