#include "os/host_fd.hpp"

#include "os/never_destroyed.hpp"

#include <mutex>

namespace coproc::os {

namespace {

struct host_ends {
  std::mutex mutex;
  host_fd* first = nullptr;
};

host_ends& all() noexcept {
  static never_destroyed<host_ends> ends;
  return *ends;
}

} // namespace

void host_fd::enlist() noexcept {
  if (!fd_) return;
  std::lock_guard lock(all().mutex);
  previous_ = nullptr;
  next_ = all().first;
  if (next_) next_->previous_ = this;
  all().first = this;
}

void host_fd::strike_off() noexcept {
  if (!fd_) return;
  std::lock_guard lock(all().mutex);
  (previous_ ? previous_->next_ : all().first) = next_;
  if (next_) next_->previous_ = previous_;
}

fork_lock::fork_lock() noexcept { all().mutex.lock(); }

fork_lock::~fork_lock() { all().mutex.unlock(); }

void close_host_ends(held_by most) noexcept {
  for (host_fd* one = all().first; one;) {
    host_fd* next = one->next_;
    if (one->holder_ <= most) one->reset();
    one = next;
  }
}

} // namespace coproc::os
