#pragma once

#include <coproc/detail/io_completion.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/awaitable.hpp>
#include <asio/buffer.hpp>

#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

namespace coproc {

namespace detail {
struct access;
class input_state;
void async_write_some(const std::shared_ptr<input_state>&, asio::const_buffer, io_completion);
} // namespace detail

/// The host's end of a child's stdin. Also an Asio AsyncWriteStream.
///
/// **Errors**: writing to a child that closed its stdin, or has ended, is a `std::system_error` with
/// `std::errc::broken_pipe`; no SIGPIPE is raised and the host's disposition of it does not matter. A second
/// write while one is under way, or the use of a stream that was moved from, is a `std::logic_error`.
/// **Destruction**, and close(): the child sees the end of its input; a write that is under way completes
/// with `operation_aborted`.
/// **Thread safety**: one strand at a time. The executor of a handler has to belong to it: an operation goes
/// on there while it waits, as Asio's composed operations do.
class input_stream {
public:
  using executor_type = asio::any_io_executor;

  input_stream() = default;
  input_stream(input_stream&&) noexcept = default;
  input_stream& operator=(input_stream&&) noexcept;
  input_stream(const input_stream&) = delete;
  input_stream& operator=(const input_stream&) = delete;
  ~input_stream();

  /// Writes all of @p bytes, which must stay valid until then; waits while the pipe is full.
  /// **Cancellation**: terminal; the child may have got a part of @p bytes.
  asio::awaitable<void> write(std::string_view bytes);

  /// Asio's AsyncWriteStream. Completes with `asio::error::already_started` if a write is under way.
  /// **Cancellation**: terminal, partial and total; nothing has been written.
  template <class ConstBufferSequence, class CompletionToken>
  auto async_write_some(const ConstBufferSequence& buffers, CompletionToken&& token) {
    return asio::async_initiate<CompletionToken, void(asio::error_code, std::size_t)>(
        [](auto handler, std::shared_ptr<detail::input_state> state, asio::const_buffer buffer,
           executor_type fallback) {
          detail::async_write_some(state, buffer, detail::io_completion(std::move(handler), fallback));
        },
        token, state_, detail::first_buffer<asio::const_buffer>(buffers), get_executor());
  }

  /// @returns the executor of the coroutine that started the child.
  executor_type get_executor() const;

  /// Closes the host's end: the child reads the end of file. Harmless if it is closed already.
  void close();
  /// @returns whether the host's end is open.
  bool is_open() const;

private:
  friend struct detail::access;
  explicit input_stream(std::shared_ptr<detail::input_state> state) : state_(std::move(state)) {}

  std::shared_ptr<detail::input_state> state_;
};

} // namespace coproc
