#include "ipc/connection_state.hpp"

#include <coproc/connection_closed.hpp>
#include <coproc/wire_error.hpp>

#include "ipc/message.hpp"
#include "os/error.hpp"
#include "os/ready.hpp"

#include <cerrno>
#include <chrono>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace coproc::detail {

namespace {

constexpr std::uint32_t value_kind = 1;

[[noreturn]] void throw_closed() { throw connection_closed("connection: it is closed"); }

[[noreturn]] void throw_lost(int error) {
  os::throw_errno(error, error == EMFILE
                             ? "connection: a value was lost, as no descriptor was left for it; it is closed"
                             : "connection: a value was lost, as no memory was left for it; it is closed");
}

} // namespace

void connection_state::require_open() const {
  if (gone_) throw std::logic_error("connection: this end has gone to another process");
  if (lost_ != 0) throw_lost(lost_);
  if (!socket_) throw_closed();
}

void connection_state::leave_loop() noexcept {
  if (watch_) watch_->leave(socket_);
}

void connection_state::close() noexcept {
  leave_loop();
  socket_.reset();
}

os::unique_fd connection_state::release() {
  require_open();
  if (waiting != 0)
    throw std::logic_error("connection: an end can't go to another process while somebody waits on it");
  leave_loop();
  if (!socket_) os::throw_errno(EMFILE, "connection: it is closed");
  gone_ = true;
  return socket_.release();
}

void connection_state::lose(int error) {
  lost_ = error;
  close();
  throw_lost(error);
}

void connection_state::shutdown() noexcept {
  leave_loop();
  watch_.reset(); // the socket itself stays open until the handle goes
}

void connection_state::check_use(const asio::any_io_executor& executor) {
  if (!is_bound_to(executor)) bind(executor, "connection");
}

os::fd_watch& connection_state::join_loop(const asio::any_io_executor& executor) {
  check_use(executor);
  if (!watch_) watch_.emplace(executor);
  if (asio::error_code error = watch_->join(socket_.get()))
    throw std::system_error(os::portable(error), "connection");
  return *watch_;
}

connection_state::sending connection_state::try_send(message& encoded, os::blocking wait) {
  require_open();
  const int error = send_message(socket_.get(), value_kind, encoded, wait);
  if (error == EAGAIN) return sending::behind;
  if (error == ETOOMANYREFS) return sending::too_many;
  if (error == EPIPE) throw_closed();
  if (error == E2BIG)
    throw std::invalid_argument("connection: a value has more than " + std::to_string(os::max_descriptors) +
                                " descriptors");
  if (error != 0) os::throw_errno(error, "connection: cannot send");
  return sending::sent;
}

bool connection_state::try_recv(received_message& result, os::blocking wait) {
  require_open();
  if (!buffer_) buffer_ = message_buffer(max_inline);
  // A look costs as much as a small value, so it is taken to be good for a moment.
  constexpr std::chrono::milliseconds moment{1};
  const auto now = std::chrono::steady_clock::now();
  if (now - looked_ >= moment) {
    switch (os::look_ahead(socket_.get(), wait)) {
    case os::next_packet::none:
      return false;
    case os::next_packet::no_room:
      os::throw_errno(EMFILE, "connection: cannot receive"); // later there may be
    case os::next_packet::fits:
      if (os::duplicate(socket_.get())) looked_ = now; // it may have needed none itself
    }
  }
  incoming next = take_packet(wait);
  if (next.error == EAGAIN) return false;
  // Somebody has taken the last one since, and the kernel has taken the packet apart.
  if (next.error == EMFILE) lose(EMFILE);
  if (next.error != 0) os::throw_errno(next.error, "connection: cannot receive");
  if (next.closed) throw_closed();
  if (next.kind != value_kind) throw wire::error("connection: what came is no value of a connection");
  if (next.body.size() != 0 || next.body.descriptor_count() != 0) looked_ = {}; // it has taken some
  result.body = std::move(next.body);
  result.bytes = next.in_buffer;
  if (result.body.size() != 0) result.bytes = result.body.bytes();
  return true;
}

incoming connection_state::take_packet(os::blocking wait) {
  try {
    incoming next = receive_message(socket_.get(), buffer_.bytes(), wait);
    if (next.error == 0) (void)next.bytes(); // maps them
    return next;
  } catch (const std::bad_alloc&) {
    lose(ENOMEM);
  } catch (const std::system_error&) {
    lose(ENOMEM); // it can't be mapped
  }
}

bool connection_state::is_readable(int milliseconds) const {
  require_open();
  return os::is_readable(socket_.get(), milliseconds);
}

void connection_state::wait_writable() const {
  require_open();
  os::wait_writable(socket_.get());
}

} // namespace coproc::detail
