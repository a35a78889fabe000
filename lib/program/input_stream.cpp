#include <coproc/input_stream.hpp>

#include "loop/suspension.hpp"
#include "program/input_state.hpp"
#include "program/transfer_operation.hpp"

#include <asio/co_spawn.hpp>
#include <asio/error.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <cerrno>

namespace coproc {

namespace detail {

namespace {

const std::shared_ptr<input_state>& require(const std::shared_ptr<input_state>& state) {
  if (!state) throw std::logic_error("input_stream: it is empty (default-constructed or moved from)");
  return state;
}

/// Writes what the pipe takes. @returns whether that was all.
bool write_now(input_state& state, std::string_view& bytes) {
  const os::transfer result = state.send_in_turn(bytes.data(), bytes.size());
  bytes.remove_prefix(result.size);
  if (result.error != 0 && result.error != EAGAIN) os::throw_errno(result.error, "write " + state.what());
  return bytes.empty();
}

asio::awaitable<void> write_rest(std::shared_ptr<input_state> state, std::string_view bytes) {
  for (unsigned writes = 1;; ++writes) {
    co_await state->async_wait(stream_end::wait_type::wait_write, asio::use_awaitable);
    state->require_still_open();
    if (write_now(*state, bytes)) co_return;
    if (writes % 16 != 0) continue;
    co_await pass_through_loop(); // a reader that is as fast as this must not own the loop
    state->require_still_open();
  }
}

asio::awaitable<void> write(std::shared_ptr<input_state> state, std::string_view bytes) {
  stream_end::turn turn(*state, "write");
  asio::any_io_executor executor = co_await asio::this_coro::executor;
  state->check_context(executor);
  state->require_open();
  if (state->breathing.due()) {
    co_await pass_through_loop();
    state->require_still_open();
  }
  if (bytes.empty() || write_now(*state, bytes)) co_return;
  // Some of it has been written, so nothing but a terminal cancellation may end it: that is all that a
  // coroutine of its own obeys, whatever filter its caller has set.
  co_await asio::co_spawn(executor, write_rest(state, bytes), asio::use_awaitable);
}

struct writing {
  using state = input_state;
  using buffer = asio::const_buffer;
  static constexpr const char* verb = "write";
  static constexpr auto ready = stream_end::wait_type::wait_write;
  static os::transfer attempt(input_state& state, asio::const_buffer from) {
    return state.send_in_turn(from.data(), from.size());
  }
  static asio::error_code on_nothing() { return {}; }
};

} // namespace

void input_state::enqueue(std::shared_ptr<const std::string> bytes) {
  if (has_pending()) bytes = std::make_shared<const std::string>(pending_->substr(offset_) + *bytes);
  pending_ = std::move(bytes);
  offset_ = 0;
}

/// @returns 0 when all is written; EAGAIN: it goes on later; any other errno: it is given up.
int input_state::send_pending() {
  for (int writes = 0; has_pending(); ++writes) {
    if (writes == 16) return EAGAIN; // a reader that is as fast as this must not own the loop
    os::transfer result = send(pending_->data() + offset_, pending_->size() - offset_);
    offset_ += result.size;
    if (result.error == EAGAIN) return EAGAIN;
    if (result.error == 0) continue;
    pending_ = nullptr;
    return result.error;
  }
  pending_ = nullptr;
  return 0;
}

input_state::feed_result input_state::feed() {
  switch (const int error = send_pending()) {
  case 0:
    return feed_result::written;
  case EAGAIN:
    return feed_result::would_block;
  case EPIPE:
    return feed_result::broken;
  default:
    os::throw_errno(error, "write " + what());
  }
}

os::transfer input_state::send_in_turn(const void* data, std::size_t size) {
  if (has_pending()) // of a communicate() that was cancelled
    if (const int error = send_pending()) return {0, error};
  return send(data, size);
}

void input_state::feed_in_background() {
  std::lock_guard lock(gate_);
  if (!is_open()) return;
  try {
    if (feed() != feed_result::would_block) return stream_end::close();
    async_wait(wait_type::wait_write, [self = shared_from_this()](const asio::error_code& error) {
      if (!error) self->feed_in_background();
    });
  } catch (const std::exception&) {
    stream_end::close(); // nobody is there to be told; the program sees the end of its input
  }
}

void async_write_some(const std::shared_ptr<input_state>& state, asio::const_buffer from,
                      io_completion done) {
  // An exception would leave the initiation, which an awaiting coroutine does not survive.
  if (state->is_busy()) return done(asio::error::already_started, 0);
  transfer_operation<writing> operation(state, from, std::move(done));
  if (from.size() == 0) return operation.complete({}, 0);
  if (!state->is_open()) return operation.complete(os::errno_code(EBADF), 0);
  transfer_operation<writing>::go_on(std::move(operation));
}

} // namespace detail

input_stream& input_stream::operator=(input_stream&& other) noexcept {
  if (this != &other) {
    close();
    state_ = std::move(other.state_);
  }
  return *this;
}

input_stream::~input_stream() { close(); }

asio::awaitable<void> input_stream::write(std::string_view bytes) {
  return detail::write(detail::require(state_), bytes);
}

input_stream::executor_type input_stream::get_executor() const { return detail::require(state_)->executor(); }

void input_stream::close() {
  if (state_) state_->close();
}

bool input_stream::is_open() const { return state_ && state_->is_open(); }

} // namespace coproc
