// The life of a process that runs a function: its name, whether it is alive, waiting with a timeout, ending
// it.
//
//     $ ./function_timeout
//     before the start: alive: no
//     the sleeper: alive: yes
//     still there after 50 ms
//     terminated: exit code -15, killed by SIGTERM
//     alive: no

#include <coproc/coproc.hpp>

#include <chrono>
#include <iostream>
#include <thread>

using namespace std::chrono_literals;

void sleep_for_long() { std::this_thread::sleep_for(600s); }

const char* yes_or_no(bool value) { return value ? "yes" : "no"; }

asio::awaitable<void> amain() {
  coproc::process sleeper{coproc::process_options().name("the sleeper"), coproc::target<sleep_for_long>};
  std::cout << "before the start: alive: " << yes_or_no(sleeper.is_alive()) << '\n';

  co_await sleeper.start();
  std::cout << sleeper.name() << ": alive: " << yes_or_no(sleeper.is_alive()) << '\n';

  bool ended = co_await sleeper.join(50ms);
  if (!ended) std::cout << "still there after 50 ms\n";

  sleeper.terminate();
  co_await sleeper.join();
  std::cout << "terminated: exit code " << *sleeper.exitcode() << ", " << sleeper.status()->to_string()
            << '\n';
  std::cout << "alive: " << yes_or_no(sleeper.is_alive()) << '\n';
}

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
