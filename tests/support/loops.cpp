#include "support/loops.hpp"

#include "support/co_test.hpp"

#include <coproc/spawn.hpp>

#include <asio/co_spawn.hpp>

namespace coproc::test {

std::exception_ptr run_on(asio::io_context& loop, asio::awaitable<void> body) {
  std::exception_ptr error;
  asio::co_spawn(loop, std::move(body), [&](std::exception_ptr e) { error = e; });
  loop.restart();
  loop.run_for(deadline());
  return error;
}

asio::awaitable<void> start_into(std::optional<child>& target, command program) {
  target = co_await spawn(std::move(program));
}

} // namespace coproc::test
