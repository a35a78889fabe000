#include <coproc/spawn.hpp>

#include "program/command_spec.hpp"
#include "program/start.hpp"

namespace coproc {

asio::awaitable<child> spawn(command program) {
  asio::any_io_executor executor = co_await detail::begin_start();
  detail::start_defaults defaults{
      .in = stdio::inherit(), .out = stdio::inherit(), .err = stdio::inherit(), .timeout = std::nullopt};
  std::shared_ptr<detail::child_state> state = detail::start(executor, std::move(program), defaults);
  if (state->background_input) {
    state->fed_in_background = true;
    state->background_input->feed_in_background();
  }
  co_return detail::access::make_child<child>(std::move(state));
}

} // namespace coproc
