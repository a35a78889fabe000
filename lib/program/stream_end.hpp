#pragma once

#include "loop/context_service.hpp"
#include "os/error.hpp"
#include "os/fd_watch.hpp"
#include "os/host_fd.hpp"

#include <asio/awaitable.hpp>
#include <asio/error.hpp>
#include <asio/use_awaitable.hpp>

#include <cerrno>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace coproc::detail {

/// The host's end of a pipe to a child, which does not block; what the two directions have in common.
class stream_end : public context_object {
public:
  using wait_type = os::fd_watch::wait_type;

  /// @param what for messages: "stdout of 'gzip'".
  stream_end(const asio::any_io_executor& executor, os::unique_fd fd, std::string what)
      : what_(std::move(what)), fd_(std::move(fd)) {
    bind(executor, what_.c_str());
    watch_.emplace(executor);
  }
  ~stream_end() { close(); }

  bool is_open() const noexcept { return static_cast<bool>(fd_); }
  int fd() const noexcept { return fd_.get(); }
  const std::string& what() const noexcept { return what_; }
  asio::any_io_executor executor() {
    if (!watch_) throw std::logic_error(what_ + ": its execution context is gone");
    return watch_->executor();
  }

  /// What is under way completes with operation_aborted.
  void close() noexcept {
    if (watch_) watch_->leave(fd_);
    fd_.reset();
  }

  /// Takes the descriptor out of the loop and hands it over.
  os::unique_fd release() noexcept {
    if (watch_) watch_->leave(fd_);
    return fd_.release();
  }

  /// Aborts a wait, and leaves the pipe open.
  void cancel() {
    if (watch_) watch_->cancel();
  }

  /// Makes the descriptor known to the loop, if it is not yet. @returns an error when that fails
  /// (epoll_ctl(2)).
  asio::error_code join_loop() { return watch_->join(fd_.get()); }

  /// Waits until a transfer may succeed.
  /// @throws std::system_error if join_loop() fails.
  template <class Token>
  auto async_wait(wait_type type, Token&& token) {
    if (asio::error_code error = join_loop()) throw std::system_error(os::portable(error), what_);
    return watch_->async_wait(type, std::forward<Token>(token));
  }

  /// @throws std::logic_error if the coroutine's executor belongs to another context.
  void check_context(const asio::any_io_executor& executor) { bind(executor, what_.c_str()); }

  /// One operation at a time. @throws std::logic_error for a second one.
  class turn {
  public:
    turn(stream_end& stream, const char* verb) : stream_(&stream) {
      stream.require_idle(verb);
      stream.busy_ = true;
    }
    turn(turn&& other) noexcept : stream_(std::exchange(other.stream_, nullptr)) {}
    turn(const turn&) = delete;
    ~turn() { end(); }
    void end() noexcept {
      if (stream_) stream_->busy_ = false;
      stream_ = nullptr;
    }

  private:
    stream_end* stream_;
  };

  bool is_busy() const noexcept { return busy_; }

  /// @throws std::logic_error if an operation is under way.
  void require_idle(const char* verb) const {
    if (busy_) refuse(verb);
  }

  /// @throws std::system_error if it is closed.
  void require_open() const {
    if (!is_open()) os::throw_errno(EBADF, what_ + " (closed)");
  }

  /// To be called after a wait. @throws std::system_error (operation_aborted) if it was closed meanwhile.
  void require_still_open() const {
    if (!is_open()) throw std::system_error(asio::error::operation_aborted);
  }

  breather breathing;

private:
  [[noreturn]] void refuse(const char* verb) const {
    throw std::logic_error(what_ + ": a " + verb + " is under way already");
  }

  void shutdown() noexcept override {
    if (watch_) watch_->leave(fd_);
    watch_.reset(); // the descriptor itself stays open until the handle goes
  }

  std::string what_;
  os::host_fd fd_;
  std::optional<os::fd_watch> watch_; // knows fd_ from the first wait on
  bool busy_ = false;
};

} // namespace coproc::detail
