#include "support/pending.hpp"

#include <asio/post.hpp>
#include <asio/this_coro.hpp>

namespace coproc::test {

bool loop_is_ending = false;

asio::awaitable<void> breathe() {
  // More rounds than any operation of the library needs to get from its start to its first wait.
  for (int i = 0; i != 32; ++i) co_await asio::post(asio::use_awaitable);
}

asio::awaitable<asio::any_io_executor> this_executor() { co_return co_await asio::this_coro::executor; }

} // namespace coproc::test
