// Runs programs in another directory. A program given with a `/` is relative to it, and a directory that is
// missing is an error that blames the directory, not the program.
//
//     $ ./cwd
//     /
//     in /usr, bin/env exited with code 0
//     /no/such/directory is missing

#include <coproc/coproc.hpp>

#include <filesystem>
#include <iostream>
#include <string_view>
#include <system_error>

using coproc::command;

asio::awaitable<void> amain() {
  coproc::completed root = co_await coproc::run(command("pwd").cwd("/"));
  std::cout << root.out;

  coproc::completed relative = co_await coproc::run(command("bin/env").cwd("/usr"));
  std::cout << "in /usr, bin/env " << relative.status.to_string() << '\n';

  const std::filesystem::path missing = "/no/such/directory";
  try {
    co_await coproc::run(command("pwd").cwd(missing));
  } catch (const std::system_error& error) {
    if (std::string_view(error.what()).find(missing.string()) != std::string_view::npos)
      std::cout << missing.string() << " is missing\n";
  }
}

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
