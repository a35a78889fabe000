#include "os/exit_watch.hpp"

#include <algorithm>

#include <poll.h>

namespace coproc::os {

exit_watch::exit_watch(const asio::any_io_executor& executor) : descriptor_(executor) {}

exit_watch::~exit_watch() { stop(); }

void exit_watch::wait(int pidfd, std::function<void(bool)> handler) {
  auto on_wake = [handler = std::move(handler)](const asio::error_code& error) {
    handler(error == asio::error::operation_aborted);
  };
  if (pidfd >= 0 && delay_.count() == 0) {
    asio::error_code error;
    if (!descriptor_.is_open()) descriptor_.assign(pidfd, error);
    polling_ = static_cast<bool>(error);
    if (!error) return descriptor_.async_wait(asio::posix::stream_descriptor::wait_read, std::move(on_wake));
    // No more epoll watches to be had (epoll_ctl(2)), say: poll instead.
  }
  polling_ = true;
  if (!timer_) timer_.emplace(descriptor_.get_executor());
  timer_->expires_after(std::max(delay_, std::chrono::milliseconds(1)));
  timer_->async_wait(std::move(on_wake));
}

void exit_watch::too_early(int pidfd) noexcept {
  pollfd ended{pidfd, POLLIN, 0};
  if (!polling_ && ::poll(&ended, 1, 0) == 0) return; // a stray wake-up
  delay_ = std::clamp(delay_ * 2, std::chrono::milliseconds(1), std::chrono::milliseconds(50));
}

void exit_watch::cancel() {
  asio::error_code ignored;
  if (descriptor_.is_open()) descriptor_.cancel(ignored);
  if (timer_) timer_->cancel();
}

void exit_watch::stop() noexcept {
  try {
    if (descriptor_.is_open()) descriptor_.release();
    if (timer_) timer_->cancel();
  } catch (...) {
    // Neither has a failure that could be met here (Asio documents them as for Windows).
  }
}

} // namespace coproc::os
