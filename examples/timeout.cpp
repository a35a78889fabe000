// Stops a program: by a timeout, which keeps what it had written by then, and by hand, with a policy that
// says how long to ask before killing.
//
//     $ ./timeout
//     timed out, killed by SIGTERM; it had said: one moment
//     deaf to SIGTERM: killed by SIGKILL
//     asked with SIGINT: exited with code 3

#include <coproc/coproc.hpp>

#include <chrono>
#include <csignal>
#include <iostream>

using namespace std::chrono_literals;

asio::awaitable<void> with_a_timeout() {
  coproc::command slow = coproc::command::shell("echo one moment; exec sleep 600");
  slow.timeout(1s);
  try {
    co_await coproc::run(slow);
  } catch (const coproc::timeout_expired& expired) { // by now it has been stopped and reaped
    std::cout << "timed out, " << expired.status.to_string() << "; it had said: " << expired.out;
  }
}

asio::awaitable<void> by_hand() {
  coproc::command deaf = coproc::command::shell("trap '' TERM; echo ready; while :; do sleep 600; done");
  coproc::child child = co_await coproc::spawn(deaf.in(coproc::stdio::null()).out(coproc::stdio::pipe()));
  co_await child.out().read_line(); // "ready": the trap is set

  // SIGTERM to the whole process group, half a second of grace, then SIGKILL. Without an argument: the
  // command's own policy, which is five seconds unless it says otherwise.
  coproc::exit_status status = co_await child.stop(coproc::stop_policy(500ms));
  std::cout << "deaf to SIGTERM: " << status.to_string() << '\n';
}

asio::awaitable<void> politely() {
  coproc::command tidy = coproc::command::shell("trap 'exit 3' INT; echo ready; sleep 600 & wait");
  tidy.in(coproc::stdio::null()).out(coproc::stdio::pipe()).stop(coproc::stop_policy(60s).signal(SIGINT));
  coproc::child child = co_await coproc::spawn(tidy);
  co_await child.out().read_line();

  coproc::exit_status status = co_await child.stop();
  std::cout << "asked with SIGINT: " << status.to_string() << '\n';
}

asio::awaitable<void> amain() {
  co_await with_a_timeout();
  co_await by_hand();
  co_await politely();
}

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
