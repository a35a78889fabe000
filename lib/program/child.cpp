#include <coproc/child.hpp>

#include "os/error.hpp"
#include "program/child_state.hpp"
#include "program/command_spec.hpp"
#include "program/follow.hpp"
#include "program/wait_for_exit.hpp"

#include <asio/this_coro.hpp>

#include <signal.h>

namespace coproc {

namespace detail {

namespace {

const std::shared_ptr<child_state>& require(const std::shared_ptr<child_state>& state) {
  if (!state) throw std::logic_error("child: it is empty (default-constructed or moved from)");
  return state;
}

using maybe_status = std::optional<exit_status>;

asio::awaitable<exit_status> wait(std::shared_ptr<child_state> state) {
  maybe_status status = co_await wait_for_exit(std::move(state), std::nullopt);
  co_return *status;
}

asio::awaitable<exit_status> stop(std::shared_ptr<child_state> state, stop_policy policy) {
  asio::any_io_executor executor = co_await asio::this_coro::executor;
  state->check_use(executor);
  if (!state->look()) state->begin_stop(policy);
  maybe_status status = co_await wait_for_exit(std::move(state), std::nullopt);
  co_return *status;
}

asio::awaitable<completed> communicate(std::shared_ptr<child_state> state, std::string input) {
  asio::any_io_executor executor = co_await asio::this_coro::executor;
  state->check_use(executor);
  std::shared_ptr<input_state> pipe = access::state_of(state->in);
  if (!input.empty() && (!pipe || !pipe->is_open()))
    throw std::invalid_argument("communicate: stdin of '" + state->program().to_string() +
                                "' is no open pipe that could take the input");
  std::vector<std::shared_ptr<child_state>> children(1, state);
  auto operation = std::make_shared<exchange>(std::move(children), exchange::on_cancel::leave);
  if (!input.empty())
    pipe->enqueue(
        std::make_shared<const std::string>(std::move(input))); // now that no other operation is in the way
  exchange_result result = co_await follow(std::move(operation));
  throw_unless_ended(result, state->program());
  co_return std::move(result.done);
}

} // namespace

} // namespace detail

using detail::access;
using detail::require;

child& child::operator=(child&& other) noexcept {
  if (this != &other) {
    if (state_) state_->abandon();
    state_ = std::move(other.state_);
  }
  return *this;
}

child::~child() {
  if (state_) state_->abandon();
}

int child::pid() const { return require(state_)->pid(); }
const coproc::command& child::command() const { return require(state_)->program(); }

input_stream& child::in() {
  if (!access::state_of(require(state_)->in))
    throw std::logic_error("child: its stdin is no pipe, or was moved away");
  return state_->in;
}

output_stream& child::out() {
  if (!access::state_of(require(state_)->out))
    throw std::logic_error("child: its stdout is no pipe, or was moved away");
  return state_->out;
}

output_stream& child::err() {
  if (!access::state_of(require(state_)->err))
    throw std::logic_error("child: its stderr is no pipe, or was moved away");
  return state_->err;
}

asio::awaitable<exit_status> child::wait() { return detail::wait(require(state_)); }

asio::awaitable<std::optional<exit_status>> child::wait(duration limit) {
  return detail::wait_for_exit(require(state_), limit);
}

std::optional<exit_status> child::poll() {
  std::optional<os::exit_record> record = require(state_)->look();
  if (!record) return std::nullopt;
  return record->status;
}

asio::awaitable<completed> child::communicate(std::string input) {
  return detail::communicate(require(state_), std::move(input));
}

void child::send_signal(int number) {
  if (int error = require(state_)->send_signal(number))
    os::throw_errno(error,
                    "send signal " + std::to_string(number) + " to '" + state_->program().to_string() + "'");
}

void child::terminate() { send_signal(SIGTERM); }
void child::kill() { send_signal(SIGKILL); }
void child::interrupt() { send_signal(SIGINT); }

asio::awaitable<exit_status> child::stop() {
  const auto& state = require(state_);
  return detail::stop(state, access::spec(state->program()).stop);
}

asio::awaitable<exit_status> child::stop(stop_policy policy) { return detail::stop(require(state_), policy); }

void child::detach() { require(state_)->detach(); }

std::optional<resource_usage> child::usage() const {
  std::optional<os::exit_record> record = require(state_)->record();
  if (!record) return std::nullopt;
  return record->usage;
}

} // namespace coproc
