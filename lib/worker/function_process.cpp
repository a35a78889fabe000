#include "worker/function_process.hpp"

#include "ipc/packet.hpp"
#include "os/code_address.hpp"
#include "os/error.hpp"
#include "os/socket.hpp"
#include "program/wait_for_exit.hpp"
#include "worker/protocol.hpp"

#include <coproc/process_died.hpp>
#include <coproc/wire.hpp>

#include <asio/cancellation_type.hpp>
#include <asio/error.hpp>

#include <atomic>
#include <cerrno>
#include <new>
#include <stdexcept>
#include <system_error>

namespace coproc::detail {

struct process_access {
  static std::string& name(process_options& o) { return o.name_; }
  static std::optional<start_method> method(const process_options& o) { return o.method_; }
  static stdio in(process_options& o) { return o.in_.value_or(stdio::null()); }
  static stdio out(process_options& o) { return o.out_.value_or(stdio::inherit()); }
  static stdio err(process_options& o) { return o.err_.value_or(stdio::inherit()); }
};

namespace {

/// Counts process objects for their default names.
std::string next_name() {
  static std::atomic<unsigned long> count{0};
  return "Process-" + std::to_string(++count);
}

} // namespace

function_process::function_process(process_options options, target_call call, owner whose)
    : name_(std::move(process_access::name(options))), method_(process_access::method(options)),
      in_(process_access::in(options)), out_(process_access::out(options)),
      err_(process_access::err(options)), call_(std::move(call)) {
  if (whose == owner::pool) return;
  std::string counted = next_name();
  if (name_.empty()) name_ = std::move(counted);
}

function_process::~function_process() { abandon(); }

void function_process::abandon() noexcept {
  abandoned_ = true;
  // What the start has made by then goes with it.
  try {
    if (starting_) stop_start_.emit(asio::cancellation_type::terminal);
  } catch (const std::bad_alloc&) {
    // The coroutine that there is no memory to resume is destroyed.
  }
  if (child_) child_->abandon();
  lifeline_.reset();
  channel_.reset();
}

void function_process::require_handle() const {
  if (abandoned_) throw std::system_error(asio::error::operation_aborted);
}

child_state& function_process::child() const {
  if (!child_) throw std::logic_error("process '" + name_ + "': it has not been started");
  return *child_;
}

target_call begin_call(entry_point entry, std::string function) {
  os::code_address code = os::address_of(reinterpret_cast<const void*>(entry));
  target_call call;
  call.entry = entry;
  call.function = std::move(function);
  call.module_id = std::move(code.module_id);
  call.module_path = std::move(code.module_path);
  call.offset = code.offset;
  call_header header;
  header.module_id = call.module_id;
  header.module_path = call.module_path;
  header.offset = call.offset;
  header.function = call.function;
  wire::encode(call.encoded, header);
  return call;
}

asio::awaitable<bool> function_process::join(std::shared_ptr<function_process> self,
                                             std::optional<duration> limit) {
  (void)self->child();
  std::optional<exit_status> end = co_await wait_for_exit(self->child_, limit);
  co_return end.has_value();
}

/// The child is gone, so all that it has said is in the socket.
void function_process::read_outcome() {
  if (outcome_ == outcome::lost) throw std::bad_alloc();
  if (outcome_ != outcome::unread) return;
  if (child_->is_copy()) { // it is for the host
    outcome_ = outcome::none;
    return channel_.reset();
  }
  const auto fail = [this](int error) {
    os::throw_errno(error, "process '" + name_ + "': cannot receive the result");
  };
  if (os::look_ahead(channel_.get(), os::blocking::no) == os::next_packet::no_room)
    fail(EMFILE); // later there may be
  message_buffer buffer(max_inline);
  try {
    incoming last = receive_message(channel_.get(), buffer.bytes(), os::blocking::no);
    if (last.error == EMFILE || last.error == ENFILE || last.error == ENOMEM || last.error == ENOBUFS)
      fail(last.error);
    outcome_ = outcome::none;
    if (last.error == 0 && !last.closed) take_outcome(last);
  } catch (const std::bad_alloc&) {
    outcome_ = outcome::lost; // a second look would find nothing, as if the child had said nothing
    channel_.reset();
    throw;
  }
  channel_.reset();
}

void function_process::take_outcome(incoming& last) {
  message body = last.take();
  if (last.kind == static_cast<std::uint32_t>(call_kind::result)) {
    result_ = std::move(body);
    outcome_ = outcome::value;
  } else if (last.kind == static_cast<std::uint32_t>(call_kind::exception)) {
    chain_ = wire::decode<std::vector<remote_error::exception>>(body);
    outcome_ = chain_.empty() ? outcome::none : outcome::exception;
  }
}

asio::awaitable<std::shared_ptr<message>> function_process::result(std::shared_ptr<function_process> self) {
  (void)self->child();
  std::optional<exit_status> end = co_await wait_for_exit(self->child_, std::nullopt);
  // The handle went after the end had come, and before this coroutine was told.
  self->require_handle();
  self->read_outcome();
  if (self->outcome_ == outcome::exception)
    throw remote_error(self->chain_, self->call_.function, self->child_->pid());
  if (self->outcome_ != outcome::value) throw process_died(self->name_, *end);
  co_return std::shared_ptr<message>(self, &self->result_); // the handle may go before it is decoded
}

void function_process::detach() {
  child_state& state = child();
  // In the queue of the child's own socket the lifeline is kept for as long as the child lives.
  message nothing;
  if (lifeline_ && !state.is_copy()) {
    const int error = send_message(channel_.get(), static_cast<std::uint32_t>(call_kind::detached), nothing,
                                   {lifeline_.get()}, os::blocking::no);
    if (error != 0 && error != EPIPE) os::throw_errno(error, "detach '" + name_ + "'");
  }
  state.detach();
  lifeline_.reset();
  channel_.reset();
}

} // namespace coproc::detail
