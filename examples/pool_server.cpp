// A TCP server that hands heavy work to a pool, and so answers others meanwhile.
//
//     $ ./pool_server
//     ping -> pong
//     count 30000000 -> 1857859 primes
//     the short request was answered first

#include <coproc/coproc.hpp>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read_until.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <iostream>
#include <string>
#include <vector>

using asio::ip::tcp;

/// The sieve of Eratosthenes: too long to be done between two requests.
int count_primes(int below) {
  std::vector<bool> composite(static_cast<std::size_t>(below));
  int primes = 0;
  for (std::size_t i = 2; i < composite.size(); ++i) {
    if (composite[i]) continue;
    ++primes;
    for (std::size_t j = i * i; j < composite.size(); j += i) composite[j] = true;
  }
  return primes;
}

asio::awaitable<void> serve(tcp::socket client, coproc::pool& workers) {
  std::string request;
  const std::size_t size =
      co_await asio::async_read_until(client, asio::dynamic_buffer(request), '\n', asio::use_awaitable);
  request.resize(size - 1);
  std::string answer = "pong\n";
  if (request.starts_with("count ")) {
    int primes = co_await workers.apply<count_primes>(std::stoi(request.substr(6)));
    answer = std::to_string(primes) + " primes\n";
  }
  co_await asio::async_write(client, asio::buffer(answer), asio::use_awaitable);
}

asio::awaitable<void> listen(tcp::acceptor& acceptor, coproc::pool& workers) {
  for (;;) {
    tcp::socket client = co_await acceptor.async_accept(asio::use_awaitable);
    asio::co_spawn(acceptor.get_executor(), serve(std::move(client), workers), asio::detached);
  }
}

asio::awaitable<void> ask(tcp::endpoint server, std::string request, std::vector<std::string>& answered) {
  tcp::socket socket(co_await asio::this_coro::executor);
  co_await socket.async_connect(server, asio::use_awaitable);
  const std::string line = request + "\n";
  co_await asio::async_write(socket, asio::buffer(line), asio::use_awaitable);
  std::string answer;
  co_await asio::async_read_until(socket, asio::dynamic_buffer(answer), '\n', asio::use_awaitable);
  std::cout << request << " -> " << answer;
  answered.push_back(request);
}

asio::awaitable<void> amain() {
  using namespace asio::experimental::awaitable_operators;
  auto executor = co_await asio::this_coro::executor;
  coproc::pool workers(executor);
  tcp::acceptor acceptor(executor, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  asio::co_spawn(executor, listen(acceptor, workers), asio::detached);

  std::vector<std::string> answered;
  co_await (ask(acceptor.local_endpoint(), "count 30000000", answered) &&
            ask(acceptor.local_endpoint(), "ping", answered));
  std::cout << "the " << (answered.front() == "ping" ? "short" : "long") << " request was answered first\n";
  acceptor.close();
}

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
