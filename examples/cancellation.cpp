// Cancels operations in Asio's own ways. A cancelled run() stops its program, and completes when that is
// gone; a cancelled wait() only stops waiting.
//
//     $ ./cancellation
//     the quick one won: done
//     the stop button: Operation aborted.
//     waited long enough, and it still runs
//     stopped by hand: killed by SIGTERM

#include <coproc/coproc.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <iostream>
#include <system_error>
#include <variant>

using namespace std::chrono_literals;
using namespace asio::experimental::awaitable_operators;
using coproc::command;

asio::awaitable<void> race() {
  command quick("echo", "done"), slow("sleep", "600");
  // The loser is cancelled, and `||` returns when both have completed: nothing is left behind.
  auto first = co_await (coproc::run(quick) || coproc::run(slow));
  std::cout << "the quick one won: " << std::get<0>(first).out;
}

asio::awaitable<void> stop_button() {
  auto executor = co_await asio::this_coro::executor;
  asio::cancellation_signal button; // anything can press it: here a timer
  asio::steady_timer timer(executor, 100ms);
  timer.async_wait([&button](asio::error_code) { button.emit(asio::cancellation_type::terminal); });

  command slow("sleep", "600");
  auto token = asio::bind_cancellation_slot(button.slot(), asio::use_awaitable);
  try {
    co_await asio::co_spawn(executor, coproc::run(slow), token);
  } catch (const std::system_error& error) { // asio::error::operation_aborted
    std::cout << "the stop button: " << error.code().message() << '\n';
  }
}

asio::awaitable<void> wait_a_little() {
  command slow("sleep", "600");
  coproc::child child = co_await coproc::spawn(slow.in(coproc::stdio::null()));
  asio::steady_timer timer(co_await asio::this_coro::executor, 100ms);
  auto first = co_await (child.wait() || timer.async_wait(asio::use_awaitable)); // or: child.wait(100ms)
  if (first.index() == 1 && !child.poll()) std::cout << "waited long enough, and it still runs\n";

  coproc::exit_status status = co_await child.stop();
  std::cout << "stopped by hand: " << status.to_string() << '\n';
}

asio::awaitable<void> amain() {
  co_await race();
  co_await stop_button();
  co_await wait_a_little();
}

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
