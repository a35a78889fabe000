#pragma once

#include "os/fd.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/error.hpp>
#include <asio/posix/stream_descriptor.hpp>

#include <utility>

namespace coproc::os {

class loop_owner;

/// Waits on a loop for a descriptor of somebody else's. The loop knows it from join() until leave(), which
/// has to come before it is closed and before the loop ends. Not thread-safe.
class fd_watch {
public:
  using wait_type = asio::posix::stream_descriptor::wait_type;

  explicit fd_watch(const asio::any_io_executor& executor);
  fd_watch(const fd_watch&) = delete;

  asio::any_io_executor executor() { return descriptor_.get_executor(); }
  bool has_joined() const noexcept { return descriptor_.is_open(); }

  /// Makes @p fd known to the loop, if it is not yet. @returns an error when that fails (epoll_ctl(2)).
  asio::error_code join(int fd);

  /// After join().
  template <class Token>
  auto async_wait(wait_type type, Token&& token) {
    return descriptor_.async_wait(type, std::forward<Token>(token));
  }

  /// Aborts waits.
  void cancel();

  /// Aborts waits and takes the descriptor out of the loop, so that @p fd, which owns it, can close it.
  /// Asio's own close leaves that to the kernel, which does nothing while a child that is just being started
  /// still has a copy of the descriptor.
  ///
  /// In a fork of the host it has another number then, or is closed if there is none left.
  template <class Owner>
  void leave(Owner& fd) noexcept {
    if (!has_joined()) return;
    // What the loop has registered belongs to the open epoll instance, epoll(7), which a fork has in common
    // with the host. It is found by its number, and by none that is closed.
    if (!loop_is_ours()) fd = duplicate(fd.get());
    release();
  }

private:
  bool loop_is_ours() const noexcept;
  void release() noexcept;

  asio::posix::stream_descriptor descriptor_;
  const loop_owner* owner_;
};

} // namespace coproc::os
