// Uses the library in a program that has an io_context of its own, from coroutines, callbacks and futures.
// run_main() is a convenience: all that an operation needs is an executor to be spawned on.
//
//     $ ./own_loop
//     a callback got: hello
//     a future got: exited with code 3
//     the loop ran out of work

#include <coproc/coproc.hpp>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/use_future.hpp>

#include <exception>
#include <future>
#include <iostream>

using coproc::command;

int main() {
  asio::io_context loop;

  // An operation is lazy: this starts it, on `loop`, once that runs.
  asio::co_spawn(loop, coproc::run(command("echo", "hello")),
                 [](std::exception_ptr error, coproc::completed done) {
                   if (!error) std::cout << "a callback got: " << done.out;
                 });
  loop.run();

  std::future<coproc::completed> later =
      asio::co_spawn(loop, coproc::run(command::shell("exit 3")), asio::use_future);
  loop.restart();
  loop.run();
  std::cout << "a future got: " << later.get().status.to_string() << '\n';

  // No thread and no signal handler is left: run() returns as soon as nobody waits for anything.
  std::cout << "the loop ran out of work\n";
}
