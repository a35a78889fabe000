#pragma once

#include <coproc/detail/io_completion.hpp>

#include "os/error.hpp"
#include "os/pipe.hpp"
#include "program/stream_end.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/error.hpp>

#include <cerrno>
#include <memory>
#include <utility>

namespace coproc::detail {

/// One async_read_some or async_write_some: tries, waits, tries again.
///
/// @tparam Direction says what differs: `state` (a stream_end), `buffer`, `verb`, `ready` (what to wait for),
/// `attempt(state&, buffer)`, which transfers what it can without waiting, and `on_nothing`, the error that a
/// transfer of no byte is.
template <class Direction>
class transfer_operation {
public:
  using state_type = typename Direction::state;
  using buffer_type = typename Direction::buffer;

  /// @throws std::logic_error if an operation is under way.
  transfer_operation(std::shared_ptr<state_type> state, buffer_type buffer, io_completion done)
      : state_(std::move(state)), turn_(*state_, Direction::verb), buffer_(buffer), done_(std::move(done)) {}

  /// The next operation may begin, on another thread, before this returns: the turn ends first.
  void complete(asio::error_code error, std::size_t size) {
    io_completion done = std::move(done_);
    turn_.end();
    done(error, size);
  }

  static void go_on(transfer_operation self) {
    state_type& state = *self.state_;
    if (!state.is_open()) return self.complete(asio::error::operation_aborted, 0);
    os::transfer result = Direction::attempt(state, self.buffer_);
    if (result.error == 0)
      return self.complete(result.size == 0 ? Direction::on_nothing() : asio::error_code(), result.size);
    if (result.error != EAGAIN) return self.complete(os::errno_code(result.error), 0);
    if (asio::error_code error = state.join_loop()) return self.complete(os::portable(error), 0);
    asio::any_io_executor executor = self.done_.executor();
    asio::cancellation_slot slot = self.done_.slot();
    auto on_ready = [operation = std::move(self)](asio::error_code error) mutable {
      if (error) return operation.complete(error, 0);
      go_on(std::move(operation));
    };
    state.async_wait(Direction::ready,
                     asio::bind_cancellation_slot(slot, asio::bind_executor(executor, std::move(on_ready))));
  }

private:
  std::shared_ptr<state_type> state_; // outlives the turn
  stream_end::turn turn_;
  buffer_type buffer_;
  io_completion done_;
};

} // namespace coproc::detail
