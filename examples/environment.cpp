// Sets, removes and clears a program's environment variables. The host's own environment is not touched.
//
//     $ ./environment
//     GREETING=hello, HOME is not set
//     GREETING=hello
//     PATH=/usr/bin:/bin

#include <coproc/coproc.hpp>

#include <iostream>

using coproc::command;

asio::awaitable<void> amain() {
  command show = command::shell("echo GREETING=$GREETING, HOME is ${HOME-not set}");
  coproc::completed changed = co_await coproc::run(show.env("GREETING", "hello").unset_env("HOME"));
  std::cout << changed.out;

  // From nothing. The program itself is looked up in the PATH of the child's environment.
  command env("env");
  env.clear_env().env("PATH", "/usr/bin:/bin").env("GREETING", "hello");
  coproc::completed bare = co_await coproc::run(env | command("sort"));
  std::cout << bare.out;
}

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
