// A child's streams are Asio streams: all that Asio can do with a socket works on them. Here, records that
// end in a NUL byte, as file names do that may hold anything else.
//
//     $ ./asio_stream
//     [plain] [with
//     newline] [with space]

#include <coproc/coproc.hpp>

#include <asio/buffer.hpp>
#include <asio/read_until.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <array>
#include <iostream>
#include <string>
#include <string_view>

using namespace std::string_view_literals;

asio::awaitable<void> amain() {
  coproc::command sort("sort", "-z");
  coproc::child child = co_await coproc::spawn(sort.in(coproc::stdio::pipe()).out(coproc::stdio::pipe()));

  // Scattered buffers, written whole.
  const std::array<asio::const_buffer, 2> names = {asio::buffer("with\nnewline\0plain\0"sv),
                                                   asio::buffer("with space\0"sv)};
  co_await asio::async_write(child.in(), names, asio::use_awaitable);
  child.in().close();

  std::string buffer;
  for (int i = 0; i != 3; ++i) {
    auto size =
        co_await asio::async_read_until(child.out(), asio::dynamic_buffer(buffer), '\0', asio::use_awaitable);
    std::cout << (i == 0 ? "[" : " [") << std::string_view(buffer).substr(0, size - 1) << ']';
    buffer.erase(0, size);
  }
  std::cout << '\n';
  co_await child.wait();
}

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
