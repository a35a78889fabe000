// A C++ function in a child process: start it, wait for it, get what it returns.
//
//     $ ./function
//     hello bob, from Process-1
//     Process-1 exited with code 0
//     1000 primes end with 7919

#include <coproc/coproc.hpp>

#include <iostream>
#include <string>

void greet(std::string name) {
  std::cout << "hello " << name << ", from " << coproc::this_process::name() << '\n';
}

int nth_prime(int n) {
  int candidate = 1;
  while (n > 0) {
    ++candidate;
    bool prime = true;
    for (int divisor = 2; prime && divisor * divisor <= candidate; ++divisor)
      prime = candidate % divisor != 0;
    if (prime) --n;
  }
  return candidate;
}

asio::awaitable<void> amain() {
  coproc::process greeter{coproc::target<greet>, "bob"};
  co_await greeter.start();
  co_await greeter.join();
  std::cout << greeter.name() << ' ' << greeter.status()->to_string() << '\n';

  coproc::process worker{coproc::target<nth_prime>, 1000};
  co_await worker.start();
  int prime = co_await worker.result(); // joins as well
  std::cout << "1000 primes end with " << prime << '\n';
}

// run_main calls coproc::init, by which a child process of this program finds out that it is one.
int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
