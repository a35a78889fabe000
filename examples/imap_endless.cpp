// imap() reads only a little ahead, so the range may have no end.
//
//     $ ./imap_endless
//     1000003 1000033 1000037 1000039 1000081
//     that was enough of an endless range

#include <coproc/coproc.hpp>

#include <asio/this_coro.hpp>

#include <iostream>
#include <optional>
#include <ranges>

std::optional<long> if_prime(long n) {
  for (long d = 2; d * d <= n; ++d)
    if (n % d == 0) return std::nullopt;
  return n;
}

asio::awaitable<void> amain() {
  coproc::pool workers(co_await asio::this_coro::executor);

  auto primes = workers.imap<if_prime>(std::views::iota(1'000'000L));
  for (int found = 0; found != 5;) {
    auto result = co_await primes.next(); // in the order of the numbers
    if (!*result) continue;
    std::cout << **result << (++found == 5 ? '\n' : ' ');
  }
  std::cout << "that was enough of an endless range\n";
}

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
