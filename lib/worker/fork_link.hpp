#pragma once

#include "ipc/message_buffer.hpp"
#include "ipc/packet.hpp"
#include "os/credentials.hpp"
#include "os/fd_watch.hpp"
#include "os/fork_mark.hpp"
#include "os/host_fd.hpp"
#include "os/launch.hpp"
#include "os/open.hpp"
#include "worker/protocol.hpp"

#include <coproc/detail/message.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/error.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace coproc::detail {

/// The process of a fork server and the socket to it; of one after the other. Not thread-safe.
class fork_link {
public:
  /// When the server looks up the functions of libraries, ld.so(8).
  enum class binding { at_start, lazy };

  fork_link() = default;
  fork_link(const fork_link&) = delete;
  ~fork_link() { close(); }

  /// Starts a server, while there is none. @throws std::system_error or bootstrap_error; there is none then.
  void open(const asio::any_io_executor& executor, binding how);
  /// Leaves it: it ends when its children have.
  void close() noexcept;
  /// The loop ends: it is not watched any more, but can be talked to.
  void leave_loop() noexcept;
  bool is_open() const noexcept { return static_cast<bool>(socket_); }
  /// Counts the servers.
  std::uint64_t number() const noexcept { return number_; }

  /// @returns whether the server is that of the process that this one is a fork of.
  bool is_copy() const noexcept { return !mark_.is_original(); }
  /// @returns whether it is this process's own, and may do what this process may now.
  bool is_ours() const;
  /// @returns whether the server has ended. Its last words may still wait to be received.
  bool has_hung_up() const noexcept;

  /// Sends @p body with more descriptors, as start_request has them. Never blocks. @returns as
  /// send_message().
  int send(fork_kind kind, message& body, const std::vector<int>& descriptors = {});

  /// Blocks until the server has taken much of what it was sent, or for so long. @returns whether it has.
  bool wait_writable(int milliseconds) noexcept;

  /// What the server has said next, which is overwritten by the next call. Never blocks: EAGAIN. It is not
  /// lost for want of memory.
  /// @throws wire::error if it does not speak the language of a fork server.
  incoming receive();
  /// The descriptor that came with that, if one did.
  os::unique_fd take_descriptor() noexcept;

  /// Has @p handler called once, on the loop, when there is something to receive; unless somebody waits for
  /// that already. To be called under a lock that the handler takes first. It begins with watched(), if this
  /// is still the server that it was to watch.
  template <class Handler>
  void watch(Handler handler) {
    if (watching_ || !watch_) return;
    watch_->async_wait(os::fd_watch::wait_type::wait_read, std::move(handler));
    watching_ = true; // not if there was no memory for it
  }
  void watched() noexcept { watching_ = false; }
  /// Has the handler called at once.
  void unwatch() noexcept;

  /// @returns whether the environment of this process is what the server was told last.
  bool knows_environment() const;
  void told_environment(std::vector<std::string> variables) { told_ = std::move(variables); }
  /// The same of the working directory.
  bool knows_directory(const os::directory_id& where) const { return told_directory_ == where; }
  void told_directory(const std::optional<os::directory_id>& where) { told_directory_ = where; }
  /// It is to be told everything again.
  void forget_told() noexcept;

private:
  os::launched server_;
  os::host_fd socket_;
  std::optional<os::fd_watch> watch_;
  bool watching_ = false;
  std::uint64_t number_ = 0;
  os::fork_mark mark_; // of who started it
  os::credentials credentials_;
  std::optional<std::vector<std::string>> told_;
  std::optional<os::directory_id> told_directory_;
  message_buffer buffer_{max_inline};
  std::vector<os::unique_fd> descriptors_; // has room for the one that a server sends at a time
};

} // namespace coproc::detail
