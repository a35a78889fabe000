#include <coproc/check_output.hpp>

#include "program/follow.hpp"

namespace coproc {

namespace {

template <class Program>
asio::awaitable<std::string> output_of(Program program) {
  detail::start_defaults defaults{
      .in = stdio::null(), .out = stdio::pipe(), .err = stdio::inherit(), .timeout = std::nullopt};
  completed done =
      co_await detail::run_to_end(std::move(program), std::move(defaults), detail::checking::always);
  co_return std::move(done.out);
}

} // namespace

asio::awaitable<std::string> check_output(command program) { return output_of(std::move(program)); }
asio::awaitable<std::string> check_output(pipeline stages) { return output_of(std::move(stages)); }

} // namespace coproc
