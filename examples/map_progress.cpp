// map() over many items, with a bar that shows how far it is.
//
//     $ ./map_progress
//     [#####               ] 25 %
//     [##########          ] 50 %
//     [###############     ] 75 %
//     [####################] 100 %
//     the longest chain below 20000 has 279 steps

#include <coproc/coproc.hpp>

#include <asio/this_coro.hpp>

#include <algorithm>
#include <iostream>
#include <numeric>
#include <string>
#include <vector>

/// Steps until a number is 1, halving the even ones and taking 3n+1 for the odd ones (Collatz).
int chain_length(unsigned long n) {
  int steps = 1;
  for (; n != 1; ++steps) n = n % 2 == 0 ? n / 2 : 3 * n + 1;
  return steps;
}

/// Reports come now and then, not for each item: so it catches up.
class bar {
public:
  void operator()(coproc::progress now) {
    for (; shown_ != 4 && now.done() * 4 >= (shown_ + 1) * now.total; ++shown_) {
      const std::size_t filled = (shown_ + 1) * 5;
      std::cout << '[' << std::string(filled, '#') << std::string(20 - filled, ' ') << "] "
                << (shown_ + 1) * 25 << " %\n";
    }
  }

private:
  std::size_t shown_ = 0;
};

asio::awaitable<void> amain() {
  coproc::pool workers(co_await asio::this_coro::executor);
  std::vector<unsigned long> numbers(19'999);
  std::iota(numbers.begin(), numbers.end(), 1ul);

  std::vector<int> lengths =
      co_await workers.map<chain_length>(numbers, coproc::map_options().on_progress(bar()));
  std::cout << "the longest chain below 20000 has " << *std::max_element(lengths.begin(), lengths.end())
            << " steps\n";
}

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
