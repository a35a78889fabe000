#include <coproc/output_stream.hpp>

#include "loop/suspension.hpp"
#include "program/output_state.hpp"
#include "program/transfer_operation.hpp"

#include <asio/error.hpp>
#include <asio/this_coro.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace coproc {

namespace detail {

namespace {

constexpr std::size_t chunk = std::size_t(256) << 10; // stays in the second-level cache

const std::shared_ptr<output_state>& require(const std::shared_ptr<output_state>& state) {
  if (!state) throw std::logic_error("output_stream: it is empty (default-constructed or moved from)");
  return state;
}

std::size_t copy_out(output_state& state, asio::mutable_buffer to) {
  std::size_t size = std::min(to.size(), state.buffer.size());
  if (size != 0) std::memcpy(to.data(), state.buffer.data(), size);
  state.buffer.consume(size);
  state.forget_scan();
  return size;
}

/// Suspends until the pipe has something to read, or its end.
asio::awaitable<void> readable(std::shared_ptr<output_state> state) {
  co_await state->async_wait(stream_end::wait_type::wait_read, asio::use_awaitable);
  state->require_still_open();
}

/// Lets the loop breathe in the middle of a read.
asio::awaitable<void> breathe(std::shared_ptr<output_state> state) {
  const bool was_open = state->is_open();
  co_await pass_through_loop();
  if (was_open) state->require_still_open();
}

/// @returns whether after so many chunks others are to have their turn: a writer that is as fast as the
/// reader must not own the loop.
constexpr bool is_long(unsigned chunks) { return chunks % 64 == 0; }

/// Reads once into the buffer; waits if there is nothing yet.
asio::awaitable<void> fill(std::shared_ptr<output_state> state, std::size_t most) {
  state->require_open();
  for (;;) {
    os::transfer result = state->fill(most);
    if (result.error == 0) co_return;
    if (result.error != EAGAIN) os::throw_errno(result.error, "read " + state->what());
    co_await readable(state);
  }
}

asio::awaitable<std::size_t> read_some(std::shared_ptr<output_state> state, asio::mutable_buffer to) {
  stream_end::turn turn(*state, "read");
  asio::any_io_executor executor = co_await asio::this_coro::executor;
  state->check_context(executor);
  if (state->breathing.due()) co_await breathe(state);
  if (!state->buffer.empty()) co_return copy_out(*state, to);
  if (state->at_end || to.size() == 0) co_return 0;
  state->require_open();
  for (;;) {
    os::transfer result = state->receive(to.data(), to.size());
    if (result.error == 0) co_return result.size;
    if (result.error != EAGAIN) os::throw_errno(result.error, "read " + state->what());
    co_await readable(state);
  }
}

asio::awaitable<std::optional<std::string>> read_line_slowly(std::shared_ptr<output_state> state) {
  stream_end::turn turn(*state, "read");
  asio::any_io_executor executor = co_await asio::this_coro::executor;
  state->check_context(executor);
  if (state->breathing.was_due()) co_await breathe(state);
  for (unsigned reads = 1;; ++reads) {
    if (auto line = state->take_line()) co_return *line;
    if (state->at_end) co_return std::nullopt;
    co_await fill(state, chunk);
    if (is_long(reads)) co_await breathe(state);
  }
}

asio::awaitable<std::optional<std::string>> read_line(output_state::pin state) {
  // Most lines are there already: a small coroutine, which does not look at the executor.
  if (!state->breathing.due()) {
    state->require_idle("read");
    // The string is made where the result belongs.
    if (auto line = state->take_line()) co_return *line;
  }
  co_return co_await read_line_slowly(state.share());
}

/// Without try_read_line's memory of what it has looked at: a cancelled one starts again.
asio::awaitable<std::optional<std::string>> read_until(std::shared_ptr<output_state> state,
                                                       std::string delimiter) {
  stream_end::turn turn(*state, "read");
  asio::any_io_executor executor = co_await asio::this_coro::executor;
  state->check_context(executor);
  if (state->breathing.due()) co_await breathe(state);
  state->forget_scan();
  std::size_t searched = 0;
  for (unsigned reads = 1;; ++reads) {
    const std::string_view here = state->buffer.view();
    const std::size_t found = here.find(delimiter, searched);
    const bool last = found == std::string_view::npos && state->at_end;
    if (last && here.empty()) co_return std::nullopt;
    const std::size_t length = std::min(found, here.size());
    if (last || length != here.size()) {
      state->require_short(length);
      std::string result(here.substr(0, length));
      state->buffer.consume(length + (last ? 0 : delimiter.size()));
      co_return result;
    }
    // The delimiter may have begun.
    searched = length - std::min(length, delimiter.size() - 1);
    state->require_short(searched);
    co_await fill(state, chunk);
    if (is_long(reads)) co_await breathe(state);
  }
}

asio::awaitable<std::string> read_all(std::shared_ptr<output_state> state) {
  stream_end::turn turn(*state, "read");
  asio::any_io_executor executor = co_await asio::this_coro::executor;
  state->check_context(executor);
  if (state->breathing.due()) co_await breathe(state);
  for (unsigned reads = 1; !state->at_end; ++reads) {
    co_await fill(state, chunk * 4);
    if (is_long(reads * 4)) co_await breathe(state);
  }
  state->forget_scan();
  co_return state->buffer.take();
}

} // namespace

os::transfer output_state::fill(std::size_t most) {
  // What does not fit into the buffer goes to the stack first: so an output that fills its buffer exactly
  // does not make it grow only to find the end, and a short one gets no more memory than it needs.
  char overflow[os::default_capacity];
  buffer.compact();
  buffer.prepare();
  // A large one grows before the read: if there is no memory for it, nothing has been read that it would
  // lack.
  if (buffer.size() >= (std::size_t(1) << 20) && buffer.room() < sizeof overflow)
    buffer.reserve(sizeof overflow);
  const std::size_t room = std::min(buffer.room(), most);
  const std::size_t extra = room < sizeof overflow ? std::min(sizeof overflow, most - room) : 0;
  os::transfer result = os::try_read(fd(), {buffer.end(), room}, {overflow, extra});
  note(result);
  if (result.size <= room) {
    buffer.commit(result.size);
  } else {
    buffer.commit(room);
    buffer.append(overflow, result.size - room);
  }
  return result;
}

void output_state::note(const os::transfer& result) noexcept {
  if (result.error != 0) {
    in_a_row_ = 0;
    return;
  }
  if (result.size == 0) at_end = true;
  in_a_row_ += result.size;
  if (in_a_row_ >= os::default_capacity && !enlarged_) {
    os::enlarge(fd());
    enlarged_ = true;
  }
}

void output_state::refuse_line() const {
  os::throw_errno(EMSGSIZE,
                  what() + ": a line is longer than max_line, " + std::to_string(max_line_) + " bytes");
}

/// One that is too long, if it is whole, or that has no '\n' yet.
std::optional<std::string_view> output_state::take_unusual_line(bool whole) {
  const std::size_t size = buffer.size();
  if (whole || size > max_line_) {
    lines_.forget();
    refuse_line();
  }
  if (!at_end || size == 0) return std::nullopt;
  lines_.forget();
  std::string_view last = buffer.view();
  buffer.consume(size);
  return last;
}

namespace {

struct reading {
  using state = output_state;
  using buffer = asio::mutable_buffer;
  static constexpr const char* verb = "read";
  static constexpr auto ready = stream_end::wait_type::wait_read;
  static os::transfer attempt(output_state& state, asio::mutable_buffer to) {
    return state.receive(to.data(), to.size());
  }
  static asio::error_code on_nothing() { return asio::error::eof; }
};

} // namespace

void async_read_some(const std::shared_ptr<output_state>& state, asio::mutable_buffer to,
                     io_completion done) {
  // An exception would leave the initiation, which an awaiting coroutine does not survive.
  if (state->is_busy()) return done(asio::error::already_started, 0);
  transfer_operation<reading> operation(state, to, std::move(done));
  if (!state->buffer.empty()) return operation.complete({}, copy_out(*state, to));
  if (to.size() == 0) return operation.complete({}, 0);
  if (state->at_end) return operation.complete(asio::error::eof, 0);
  if (!state->is_open()) return operation.complete(os::errno_code(EBADF), 0);
  transfer_operation<reading>::go_on(std::move(operation));
}

} // namespace detail

output_stream& output_stream::operator=(output_stream&& other) noexcept {
  if (this != &other) {
    if (state_) detail::output_state::drop(std::move(state_));
    state_ = std::move(other.state_);
  }
  return *this;
}

output_stream::~output_stream() {
  if (state_) detail::output_state::drop(std::move(state_));
}

asio::awaitable<std::size_t> output_stream::read_some(asio::mutable_buffer buffer) {
  return detail::read_some(detail::require(state_), buffer);
}

asio::awaitable<std::optional<std::string>> output_stream::read_line() {
  return detail::read_line(detail::output_state::pin(*detail::require(state_)));
}

asio::awaitable<std::optional<std::string>> output_stream::read_until(std::string delimiter) {
  if (delimiter.empty()) throw std::invalid_argument("read_until: the delimiter is empty");
  return detail::read_until(detail::require(state_), std::move(delimiter));
}

asio::awaitable<std::optional<std::string>> output_stream::read_until(char delimiter) {
  return read_until(std::string(1, delimiter));
}

std::optional<std::string_view> output_stream::try_read_line() {
  if (!state_) detail::require(state_);
  state_->require_idle("read");
  return state_->take_line();
}

output_stream& output_stream::max_line(std::size_t bytes) {
  detail::require(state_)->limit_line(bytes);
  return *this;
}

asio::awaitable<std::string> output_stream::read_all() { return detail::read_all(detail::require(state_)); }

output_stream::executor_type output_stream::get_executor() const {
  return detail::require(state_)->executor();
}

void output_stream::close() {
  if (state_) state_->close();
}

bool output_stream::is_open() const { return state_ && state_->is_open(); }

} // namespace coproc
