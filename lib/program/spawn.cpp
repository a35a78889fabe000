#include <coproc/spawn.hpp>

#include "program/command_spec.hpp"
#include "program/start.hpp"

#include <asio/this_coro.hpp>

namespace coproc {

asio::awaitable<child> spawn(command program) {
  asio::any_io_executor executor = co_await asio::this_coro::executor;
  // A start never suspends.
  bool due = detail::context_service::of(executor).breathing_due();
  if (due) co_await detail::pass_through_loop();
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
