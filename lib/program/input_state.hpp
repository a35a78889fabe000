#pragma once

#include "os/pipe.hpp"
#include "program/stream_end.hpp"

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace coproc::detail {

/// What is behind an input_stream, and what an exchange feeds.
class input_state : public stream_end, public std::enable_shared_from_this<input_state> {
public:
  using stream_end::stream_end;

  os::transfer send(const void* data, std::size_t size) {
    os::transfer result = os::try_write(fd(), data, size);
    // A writer that finds the pipe full with much left to write gains from a larger one.
    if (!enlarged_ && size >= os::default_capacity && (result.error == EAGAIN || result.size < size)) {
      os::enlarge(fd());
      enlarged_ = true;
    }
    return result;
  }

  void close() noexcept {
    std::lock_guard lock(gate_);
    stream_end::close();
  }

  /// Writes what is pending in the background, then closes. Other threads of the loop may close it meanwhile.
  void feed_in_background();

  /// Adds to what is to be written by feed().
  void enqueue(std::shared_ptr<const std::string> bytes);
  bool has_pending() const noexcept { return pending_ && offset_ < pending_->size(); }

  /// send(), once all that is pending has been written.
  os::transfer send_in_turn(const void* data, std::size_t size);

  enum class feed_result { written, would_block, broken };
  /// Writes what is pending as far as the pipe takes it, or for a while if it takes all. `broken`: nobody
  /// reads.
  /// @throws std::system_error for any other failure.
  feed_result feed();

private:
  int send_pending();

  std::mutex gate_;                            // between close() and the background
  std::shared_ptr<const std::string> pending_; // a command's bytes are shared by its copies
  std::size_t offset_ = 0;
  bool enlarged_ = false;
};

} // namespace coproc::detail
