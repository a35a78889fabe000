// A TCP server that runs a program for each request, all in one thread. (The client is in the same program.)
// A request is a line with a number, the answer a line with its prime factors.
//
//     $ ./server
//     4294967297: 641 6700417
//     90: 2 3 3 5
//     ninety: exited with code 1

#include <coproc/coproc.hpp>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read_until.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <chrono>
#include <exception>
#include <iostream>
#include <string>

using asio::ip::tcp;
using namespace std::chrono_literals;

asio::awaitable<std::string> answer(std::string request) {
  coproc::command factor("factor", "--", request); // an argument as it is, never a part of a shell line
  try {
    coproc::completed done = co_await coproc::run(factor.timeout(5s).max_output(10'000));
    co_return done.status.success() ? done.out : request + ": " + done.status.to_string() + '\n';
  } catch (const std::exception& error) { // too slow, too much output, no such program
    co_return request + ": " + error.what() + '\n';
  }
}

asio::awaitable<void> serve(tcp::socket peer, coproc::semaphore& cap) {
  std::string request;
  auto size =
      co_await asio::async_read_until(peer, asio::dynamic_buffer(request, 1000), '\n', asio::use_awaitable);
  coproc::permit permit = co_await cap.acquire(); // however many clients there are
  std::string reply = co_await answer(request.substr(0, size - 1));
  co_await asio::async_write(peer, asio::buffer(reply), asio::use_awaitable);
}

asio::awaitable<void> serve_all(tcp::acceptor& acceptor, coproc::semaphore& cap) {
  for (;;) {
    tcp::socket peer = co_await acceptor.async_accept(asio::use_awaitable);
    asio::co_spawn(acceptor.get_executor(), serve(std::move(peer), cap), asio::detached);
  }
}

asio::awaitable<void> ask(tcp::endpoint server, std::string line) {
  tcp::socket socket(co_await asio::this_coro::executor);
  co_await socket.async_connect(server, asio::use_awaitable);
  co_await asio::async_write(socket, asio::buffer(line), asio::use_awaitable);
  std::string reply;
  co_await asio::async_read_until(socket, asio::dynamic_buffer(reply), '\n', asio::use_awaitable);
  std::cout << reply;
}

asio::awaitable<void> clients(tcp::endpoint server) {
  for (const char* line : {"4294967297\n", "90\n", "ninety\n"}) co_await ask(server, line);
}

asio::awaitable<void> amain() {
  using namespace asio::experimental::awaitable_operators;
  coproc::semaphore cap(8);
  tcp::acceptor acceptor(co_await asio::this_coro::executor,
                         tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  // Until the clients are done, or Ctrl-C.
  co_await (serve_all(acceptor, cap) || clients(acceptor.local_endpoint()));
}

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
