// make_pipe: typed values both ways between the host and a child, and between two children.
//
//     $ ./pipe
//     3 + 4 = 7
//     20 + 22 = 42
//     the child has seen the end
//     two children: 5050

#include <coproc/coproc.hpp>

#include <iostream>

struct sum {
  int a = 0;
  int b = 0;
};

// A plain function uses the blocking forms.
void calculate(coproc::connection<int, sum> host) {
  try {
    for (;;) {
      sum asked = host.blocking_recv();
      host.blocking_send(asked.a + asked.b);
    }
  } catch (const coproc::connection_closed&) {
    std::cout << "the child has seen the end\n";
  }
}

void count_to(coproc::connection<int> consumer, int last) {
  for (int n = 1; n <= last; ++n) consumer.blocking_send(n);
}

// A coroutine awaits.
asio::awaitable<int> add_up(coproc::connection<int> producer) {
  int total = 0;
  try {
    for (;;) total += co_await producer.recv();
  } catch (const coproc::connection_closed&) {
  }
  co_return total;
}

asio::awaitable<void> with_a_child() {
  auto [mine, its] = coproc::make_pipe<sum, int>();
  coproc::process calculator{coproc::target<calculate>, std::move(its)}; // an end crosses as an argument
  co_await calculator.start();

  for (sum asked : {sum{3, 4}, sum{20, 22}}) {
    co_await mine.send(asked);
    int answer = co_await mine.recv();
    std::cout << asked.a << " + " << asked.b << " = " << answer << std::endl;
  }
  mine.close();
  co_await calculator.join();
}

asio::awaitable<void> between_two_children() {
  auto [from, to] = coproc::make_pipe<int>();
  coproc::process producer{coproc::target<count_to>, std::move(from), 100};
  coproc::process consumer{coproc::target<add_up>, std::move(to)};
  co_await producer.start();
  co_await consumer.start();
  int total = co_await consumer.result();
  std::cout << "two children: " << total << '\n';
}

asio::awaitable<void> amain() {
  co_await with_a_child();
  co_await between_two_children();
}

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
