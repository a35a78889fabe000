#pragma once

#include "os/fd.hpp"

namespace coproc::os {

/// Whose copies a fork of the host closes: those of the first ones, up to one or the other.
enum class held_by {
  host, ///< It means something in the process alone that made it, or is on its way to another one.
  user, ///< A callable that is run in the fork may have captured it.
  fork, ///< It is an argument of the function that is run in the fork.
};

/// Owns the host's end of a pipe or socket whose other end waits for it to be closed, or an end that is on
/// its way to another process. A fork of the host closes its copies.
class host_fd {
public:
  host_fd() = default;
  explicit host_fd(unique_fd fd, held_by holder = held_by::host) noexcept
      : fd_(std::move(fd)), holder_(holder) {
    enlist();
  }
  host_fd(host_fd&& other) noexcept : host_fd(other.release(), other.holder_) {}
  host_fd& operator=(host_fd&& other) noexcept {
    if (this != &other) {
      reset();
      holder_ = other.holder_; // before a fork can find it in the list
      *this = other.release();
    }
    return *this;
  }
  host_fd& operator=(unique_fd fd) noexcept {
    reset();
    fd_ = std::move(fd);
    enlist();
    return *this;
  }
  ~host_fd() { reset(); }

  void give_to(held_by holder) noexcept { holder_ = holder; }

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
  friend void close_host_ends(held_by) noexcept;
  void enlist() noexcept;
  void strike_off() noexcept;

  unique_fd fd_;
  held_by holder_ = held_by::host;
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

/// In the child of a fork under fork_lock: closes those of the host; with held_by::user those as well.
void close_host_ends(held_by most) noexcept;

} // namespace coproc::os
