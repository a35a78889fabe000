#pragma once

#include <coproc/detail/io_completion.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/awaitable.hpp>
#include <asio/buffer.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace coproc {

namespace detail {
struct access;
class output_state;
void async_read_some(const std::shared_ptr<output_state>&, asio::mutable_buffer, io_completion);
} // namespace detail

/// The host's end of a child's stdout or stderr. Also an Asio AsyncReadStream.
///
/// One buffer serves every form of reading, so they mix: read a header with read_line, the body with
/// read_some. Nothing is read ahead of a reader, so one that pauses makes the child wait as soon as the pipe
/// is full (pipe(7)). The bytes stay readable after the child has ended.
///
/// **Errors**: failures of the system are `std::system_error`. A second read while one is under way, or the
/// use of a stream that was moved from, is a `std::logic_error`.
/// **Cancellation**: terminal, partial and total; every byte that was read stays in the buffer for the next
/// read.
/// **Destruction**, and close(): a read that is under way completes with `operation_aborted`; a child that
/// writes on gets SIGPIPE.
/// **Thread safety**: one strand at a time. The executor of a handler has to belong to it: an operation goes
/// on there while it waits, as Asio's composed operations do.
class output_stream {
public:
  using executor_type = asio::any_io_executor;

  output_stream() = default;
  output_stream(output_stream&&) noexcept = default;
  output_stream& operator=(output_stream&&) noexcept;
  output_stream(const output_stream&) = delete;
  output_stream& operator=(const output_stream&) = delete;
  ~output_stream();

  /// Waits for bytes and reads what is there, at most the size of @p buffer.
  /// @returns how many; 0 at the end of the stream, or if @p buffer is empty.
  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer);

  /// Reads a line. One that is there already is given on any execution context.
  /// @returns it, without its '\n' (a '\r' is kept); the last one may lack the '\n'; nullopt at the end.
  /// @throws std::system_error (`std::errc::message_size`) for a line longer than max_line(); what has been
  /// read of it stays for the next read.
  asio::awaitable<std::optional<std::string>> read_line();

  /// Reads up to a delimiter of one's own: `find -print0` ends names with '\0', a shell asks with "$ ".
  /// @param delimiter of one byte or more; it is taken from the stream and left out of the result.
  /// @returns as read_line(), max_line() included; what comes after the last delimiter is returned as it is.
  /// @throws std::invalid_argument if @p delimiter is empty.
  asio::awaitable<std::optional<std::string>> read_until(std::string delimiter);
  asio::awaitable<std::optional<std::string>> read_until(char delimiter);

  /// Takes a line that is already in the buffer: never suspends, never makes a system call.
  /// Alternate it with read_line() to go through many short lines at the speed of memory.
  /// @returns the line, valid until the next read; nullopt if there is no whole one, or at the end. The last
  /// one may lack its '\n' here, too, once the end of the stream has been read.
  std::optional<std::string_view> try_read_line();

  /// The longest line that read_line() accepts, in bytes without its '\n'. Default: 64 MiB.
  output_stream& max_line(std::size_t bytes);

  /// @returns all bytes up to the end of the stream, which comes when every process that holds it has closed
  /// it.
  asio::awaitable<std::string> read_all();

  /// Asio's AsyncReadStream. Completes with `asio::error::eof` at the end of the stream, and with
  /// `asio::error::already_started` if a read is under way.
  template <class MutableBufferSequence, class CompletionToken>
  auto async_read_some(const MutableBufferSequence& buffers, CompletionToken&& token) {
    return asio::async_initiate<CompletionToken, void(asio::error_code, std::size_t)>(
        [](auto handler, std::shared_ptr<detail::output_state> state, asio::mutable_buffer buffer,
           executor_type fallback) {
          detail::async_read_some(state, buffer, detail::io_completion(std::move(handler), fallback));
        },
        token, state_, detail::first_buffer<asio::mutable_buffer>(buffers), get_executor());
  }

  /// @returns the executor of the coroutine that started the child.
  executor_type get_executor() const;

  /// Closes the host's end. Harmless if it is closed already.
  void close();
  /// @returns whether the host's end is open; the end of the stream does not close it.
  bool is_open() const;

private:
  friend struct detail::access;
  explicit output_stream(std::shared_ptr<detail::output_state> state) : state_(std::move(state)) {}

  std::shared_ptr<detail::output_state> state_;
};

} // namespace coproc
