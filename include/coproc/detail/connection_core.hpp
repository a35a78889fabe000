#pragma once

#include <coproc/detail/message.hpp>
#include <coproc/duration.hpp>

#include <asio/awaitable.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <utility>

namespace coproc::detail {

class connection_state;

/// One received message: its bytes, valid until the next receive, and what else came with it.
struct received_message {
  std::span<const std::byte> bytes;
  message body; ///< Its descriptors; and its bytes, if they came in a segment.
  std::shared_ptr<connection_state> receiver;

  /// To be called when memory runs out while the value is made of it. Closes the receiver.
  /// @throws std::system_error
  [[noreturn]] void lose() const;
};

/// What all connections share: everything but the types.
class connection_core {
public:
  connection_core() noexcept;
  /// Owns @p descriptor.
  explicit connection_core(int descriptor);
  connection_core(connection_core&&) noexcept;
  connection_core& operator=(connection_core&&) noexcept;
  connection_core(const connection_core&) = delete;
  ~connection_core();

  asio::awaitable<void> send(message encoded) const;
  asio::awaitable<received_message> recv() const;
  asio::awaitable<bool> poll(duration limit) const;
  void blocking_send(message& encoded) const;
  received_message blocking_recv() const;
  bool blocking_poll(duration limit) const;
  void close() noexcept;
  bool is_open() const noexcept;

  /// Gives the descriptor away, which closes this end. @throws std::logic_error while somebody waits on it.
  int release() const;

  static std::pair<connection_core, connection_core> make_pair();

private:
  std::shared_ptr<connection_state> state_;
};

} // namespace coproc::detail
