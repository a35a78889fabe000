#pragma once

#include <coproc/detail/connection_core.hpp>

#include "ipc/message_buffer.hpp"
#include "ipc/packet.hpp"
#include "loop/context_service.hpp"
#include "os/fd.hpp"
#include "os/fd_watch.hpp"
#include "os/host_fd.hpp"

#include <chrono>
#include <optional>

namespace coproc::detail {

/// An end of a connection. It belongs to no event loop until somebody waits on it.
class connection_state final : public context_object {
public:
  using wait_type = os::fd_watch::wait_type;

  explicit connection_state(os::unique_fd socket) : socket_(std::move(socket), os::held_by::user) {}
  ~connection_state() { close(); }

  bool is_open() const noexcept { return static_cast<bool>(socket_); }
  /// @throws connection_closed unless it is.
  void require_open() const;
  void close() noexcept;
  os::unique_fd release();

  enum class sending {
    sent,
    behind,   ///< The receiver is: there is room again when it has received.
    too_many, ///< Descriptors of this user are on their way: nothing tells when they have arrived.
  };
  // Where a loop has waited, in whatever process, the socket does not block any more (Asio sets FIONBIO,
  // which is the open file's and not the descriptor's): the blocking forms, too, can find nothing or no room.

  /// @throws connection_closed.
  sending try_send(message& encoded, os::blocking wait = os::blocking::no);
  /// Receives into @p result, or @returns false if nothing is there. @throws connection_closed; what lose()
  /// throws if it took something and could not hand it out.
  bool try_recv(received_message& result, os::blocking wait = os::blocking::no);
  /// Closes it, as a value that was taken is lost: nobody is to go on as if there had been none.
  /// @throws std::system_error of @p error, as all later operations do.
  [[noreturn]] void lose(int error);
  /// @returns whether try_recv() would not return false.
  bool is_readable(int milliseconds) const;
  void wait_writable() const;

  /// @throws std::logic_error if it belongs to another loop than that of @p executor, which it belongs to
  /// from the first time on.
  void check_use(const asio::any_io_executor& executor);

  /// The descriptor as the loop of @p executor knows it.
  /// @throws std::logic_error if it belongs to another one.
  os::fd_watch& join_loop(const asio::any_io_executor& executor);

  breather breathing;
  int waiting = 0; ///< How many coroutines are waiting.

private:
  incoming take_packet(os::blocking wait);
  void leave_loop() noexcept;
  void shutdown() noexcept override;

  bool gone_ = false;                              // to another process
  int lost_ = 0;                                   // a value, for want of what this errno says; 0: none
  std::chrono::steady_clock::time_point looked_{}; // and found room for descriptors
  os::host_fd socket_;
  message_buffer buffer_; // for the bytes of one packet, which are decoded from there
  std::optional<os::fd_watch> watch_;
};

} // namespace coproc::detail
