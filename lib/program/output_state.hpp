#pragma once

#include "os/pipe.hpp"
#include "program/byte_buffer.hpp"
#include "program/line_finder.hpp"
#include "program/stream_end.hpp"

#include <memory>
#include <optional>
#include <string_view>
#include <utility>

namespace coproc::detail {

/// What is behind an output_stream, and what an exchange drains.
class output_state : public stream_end, public std::enable_shared_from_this<output_state> {
public:
  using stream_end::stream_end;

  byte_buffer buffer;
  bool at_end = false; // the pipe's end has been read; the buffer may still hold bytes

  /// Reads from the pipe, past the buffer, which is to be empty.
  os::transfer receive(void* data, std::size_t size) {
    os::transfer result = os::try_read(fd(), data, size);
    note(result);
    return result;
  }

  /// Reads once into the buffer, at most @p most bytes.
  os::transfer fill(std::size_t most);

  /// As output_stream::try_read_line(), and throws for one that is too long. Inlined, since a call costs as
  /// much as the search of a short line.
  [[gnu::always_inline]] std::optional<std::string_view> take_line() {
    const char* begin = buffer.data();
    const std::size_t length = lines_.find(begin, buffer.size());
    if (length == line_finder::npos || length > max_line_)
      return take_unusual_line(length != line_finder::npos);
    lines_.pass(length);
    buffer.consume(length + 1); // which leaves the bytes where they are
    return std::string_view(begin, length);
  }
  void limit_line(std::size_t bytes) { max_line_ = bytes; }
  /// @throws std::system_error for a line that is longer than the limit.
  void require_short(std::size_t line) const {
    if (line > max_line_) refuse_line();
  }

  /// Bytes leave the buffer by other ways than take_line().
  void forget_scan() noexcept { lines_.forget(); }
  /// Drops all but the first @p size bytes of the buffer.
  void truncate(std::size_t size) noexcept {
    buffer.truncate(size);
    forget_scan();
  }

  /// Keeps the state, as a shared_ptr does, for the strand that uses the stream: counting without atomic
  /// operations, of which a shared_ptr's copy and its end would cost as much as all else about a short line.
  class pin {
  public:
    explicit pin(output_state& state) noexcept : state_(&state) { ++state.pins_; }
    pin(pin&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    pin(const pin&) = delete;
    ~pin() {
      if (state_ && --state_->pins_ == 0) auto last = std::move(state_->kept_);
    }
    output_state* operator->() const noexcept { return state_; }
    std::shared_ptr<output_state> share() const { return state_->shared_from_this(); }

  private:
    output_state* state_;
  };

  /// The handle goes: closes it. Pins may keep it.
  static void drop(std::shared_ptr<output_state> state) noexcept {
    state->close();
    if (state->pins_ != 0) state->kept_ = std::move(state);
  }

private:
  std::optional<std::string_view> take_unusual_line(bool whole);
  [[noreturn]] void refuse_line() const;
  void note(const os::transfer& result) noexcept;

  std::size_t max_line_ = std::size_t(64) << 20;
  line_finder lines_;
  std::size_t in_a_row_ = 0; // bytes since the pipe was last found empty
  bool enlarged_ = false;
  std::size_t pins_ = 0;
  std::shared_ptr<output_state> kept_; // itself, for the pins that outlive the handle
};

} // namespace coproc::detail
