#include <coproc/call.hpp>

#include "program/follow.hpp"

namespace coproc {

namespace {

asio::awaitable<int> returncode_of(command program, detail::start_defaults defaults) {
  completed done =
      co_await detail::run_to_end(std::move(program), std::move(defaults), detail::checking::as_command_says);
  co_return done.status.returncode();
}

} // namespace

asio::awaitable<int> call(command program) {
  detail::start_defaults defaults{.in = stdio::inherit(),
                                  .out = stdio::inherit(),
                                  .err = stdio::inherit(),
                                  .host_group = true,
                                  .timeout = {}};
  return returncode_of(std::move(program), std::move(defaults));
}

} // namespace coproc
