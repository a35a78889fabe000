#pragma once

#include "os/fd.hpp"

namespace coproc::os {

/// Owns a descriptor that means something only in the process that made it: the host's end of a pipe or
/// socket whose other end waits for it to be closed. A fork of the host closes its copies.
class host_fd {
public:
  host_fd() = default;
  explicit host_fd(unique_fd fd) noexcept : fd_(std::move(fd)) { enlist(); }
  host_fd(host_fd&& other) noexcept : host_fd(other.release()) {}
  host_fd& operator=(host_fd&& other) noexcept {
    if (this != &other) *this = other.release();
    return *this;
  }
  host_fd& operator=(unique_fd fd) noexcept {
    reset();
    fd_ = std::move(fd);
    enlist();
    return *this;
  }
  ~host_fd() { reset(); }

  int get() const noexcept { return fd_.get(); }
  explicit operator bool() const noexcept { return static_cast<bool>(fd_); }
  unique_fd release() noexcept {
    strike_off();
    return std::move(fd_);
  }
  void reset() noexcept {
    strike_off();
    fd_.reset();
  }

private:
  friend void close_host_ends() noexcept;
  void enlist() noexcept;
  void strike_off() noexcept;

  unique_fd fd_;
  host_fd* previous_ = nullptr;
  host_fd* next_ = nullptr;
};

/// Keeps the list of them as it is while the process is forked, so that the child finds it whole.
class fork_lock {
public:
  fork_lock() noexcept;
  fork_lock(const fork_lock&) = delete;
  ~fork_lock();
};

/// In the child of a fork under fork_lock: closes all of them.
void close_host_ends() noexcept;

} // namespace coproc::os
