#include <coproc/detail/process_core.hpp>

#include "ipc/message.hpp"
#include "os/error.hpp"
#include "program/command_spec.hpp"
#include "worker/function_process.hpp"

#include <coproc/input_stream.hpp>
#include <coproc/output_stream.hpp>

#include <stdexcept>
#include <string>

#include <signal.h>

namespace coproc {

process_options& process_options::name(std::string name) & {
  if (name.empty()) throw std::invalid_argument("process_options::name: it is empty");
  if (name.find('\0') != std::string::npos)
    throw std::invalid_argument("process_options::name: it has a NUL in it");
  name_ = std::move(name);
  return *this;
}

process_options& process_options::method(start_method method) & {
  method_ = method;
  return *this;
}

process_options& process_options::in(stdio stream) & {
  detail::require_input(stream, "process_options::in");
  in_ = std::move(stream);
  return *this;
}

process_options& process_options::out(stdio stream) & {
  detail::require_output(stream, detail::may_merge::no, "process_options::out");
  out_ = std::move(stream);
  return *this;
}

process_options& process_options::err(stdio stream) & {
  detail::require_output(stream, detail::may_merge::yes, "process_options::err");
  err_ = std::move(stream);
  return *this;
}

namespace detail {

namespace {

function_process& require(const std::shared_ptr<function_process>& state) {
  if (!state) throw std::logic_error("process: it was moved from");
  return *state;
}

asio::awaitable<void> discard(asio::awaitable<bool> operation) { (void)co_await std::move(operation); }

} // namespace

process_core::process_core(process_options options, target_call call)
    : state_(std::make_shared<function_process>(std::move(options), std::move(call),
                                                function_process::owner::user)) {}

process_core::process_core(process_core&&) noexcept = default;

process_core& process_core::operator=(process_core&& other) noexcept {
  if (this != &other) {
    if (state_) state_->abandon();
    state_ = std::move(other.state_);
  }
  return *this;
}

process_core::~process_core() {
  if (state_) state_->abandon();
}

asio::awaitable<void> process_core::start() {
  require(state_);
  return function_process::start(state_);
}

asio::awaitable<void> process_core::join() {
  require(state_);
  return discard(function_process::join(state_, std::nullopt));
}

asio::awaitable<bool> process_core::join(duration limit) {
  require(state_);
  return function_process::join(state_, limit);
}

asio::awaitable<std::shared_ptr<message>> process_core::result() {
  require(state_);
  return function_process::result(state_);
}

bool process_core::is_alive() const {
  const auto& child = require(state_).maybe_child();
  return child && !child->look();
}

int process_core::pid() const { return require(state_).child().pid(); }
const std::string& process_core::name() const { return require(state_).name(); }

void process_core::require_handles(const message& result) {
  for (int fd : message_access::descriptors(result))
    if (fd < 0) throw std::logic_error("process: a result that holds a handle has been taken before");
}

std::optional<exit_status> process_core::status() const {
  const auto& child = require(state_).maybe_child();
  if (!child) return std::nullopt;
  std::optional<os::exit_record> record = child->look();
  if (!record) return std::nullopt;
  return record->status;
}

namespace {

void send(function_process& process, int number) {
  if (int error = process.child().send_signal(number))
    os::throw_errno(error, "send signal " + std::to_string(number) + " to process '" + process.name() + "'");
}

} // namespace

void process_core::terminate() { send(require(state_), SIGTERM); }
void process_core::kill() { send(require(state_), SIGKILL); }
void process_core::detach() { require(state_).detach(); }

input_stream& process_core::in() {
  child_state& child = require(state_).child();
  if (!access::state_of(child.in))
    throw std::logic_error("process '" + name() + "': its stdin is no pipe, or was moved away");
  return child.in;
}

output_stream& process_core::out() {
  child_state& child = require(state_).child();
  if (!access::state_of(child.out))
    throw std::logic_error("process '" + name() + "': its stdout is no pipe, or was moved away");
  return child.out;
}

output_stream& process_core::err() {
  child_state& child = require(state_).child();
  if (!access::state_of(child.err))
    throw std::logic_error("process '" + name() + "': its stderr is no pipe, or was moved away");
  return child.err;
}

} // namespace detail
} // namespace coproc
