#include <coproc/run.hpp>

#include "program/follow.hpp"

namespace coproc {

namespace {

detail::start_defaults captured() {
  return {.in = stdio::null(), .out = stdio::pipe(), .err = stdio::pipe(), .timeout = std::nullopt};
}

} // namespace

asio::awaitable<completed> run(command program) {
  return detail::run_to_end(std::move(program), captured(), detail::checking::as_command_says);
}

asio::awaitable<completed> run(pipeline stages) {
  return detail::run_to_end(std::move(stages), captured(), detail::checking::as_command_says);
}

} // namespace coproc
