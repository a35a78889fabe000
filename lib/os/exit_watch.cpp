#include "os/exit_watch.hpp"

#include <algorithm>
#include <utility>

#include <poll.h>

namespace coproc::os {

exit_watch::exit_watch(const asio::any_io_executor& executor) : watch_(executor) {}

exit_watch::~exit_watch() { stop(); }

void exit_watch::wait(unique_fd& pidfd, std::function<void(bool)> handler) {
  auto on_wake = [handler = std::move(handler)](const asio::error_code& error) {
    handler(error == asio::error::operation_aborted);
  };
  if (pidfd && delay_.count() == 0) {
    polling_ = static_cast<bool>(watch_.join(pidfd.get()));
    if (!polling_) {
      pidfd_ = &pidfd;
      return watch_.async_wait(fd_watch::wait_type::wait_read, std::move(on_wake));
    }
    // No more epoll watches to be had (epoll_ctl(2)), say: poll instead.
  }
  polling_ = true;
  if (!timer_) timer_.emplace(watch_.executor());
  timer_->expires_after(std::max(delay_, std::chrono::milliseconds(1)));
  timer_->async_wait(std::move(on_wake));
}

void exit_watch::too_early(int pidfd) noexcept {
  pollfd ended{pidfd, POLLIN, 0};
  if (!polling_ && ::poll(&ended, 1, 0) == 0) return; // a stray wake-up
  delay_ = std::clamp(delay_ * 2, std::chrono::milliseconds(1), std::chrono::milliseconds(50));
}

void exit_watch::cancel() {
  watch_.cancel();
  if (timer_) timer_->cancel();
}

void exit_watch::stop() noexcept {
  if (pidfd_) watch_.leave(*std::exchange(pidfd_, nullptr));
  try {
    if (timer_) timer_->cancel();
  } catch (...) {
    // It has no failure that could be met here (Asio documents them as for Windows).
  }
}

} // namespace coproc::os
