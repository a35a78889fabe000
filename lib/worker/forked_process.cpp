#include "worker/forked_process.hpp"

#include "os/ready.hpp"
#include "os/signal.hpp"

#include <cerrno>

namespace coproc::detail {

forked_process::~forked_process() { client_->forget(id_); }

void forked_process::wait(std::function<void(bool)> handler) {
  if (left_) return;
  if (!is_copy() && client_->knows(id_)) return client_->wait_for(id_, std::move(handler));
  if (!orphan_watch_) orphan_watch_.emplace(executor_);
  orphan_watch_->wait(pidfd_, std::move(handler));
}

void forked_process::too_early() noexcept {
  if (orphan_watch_) orphan_watch_->too_early(pidfd_.get());
}

void forked_process::cancel_wait() {
  client_->cancel_wait(id_);
  if (orphan_watch_) orphan_watch_->cancel();
}

void forked_process::leave_loop() noexcept {
  left_ = true;
  client_->cancel_wait(id_);
  orphan_watch_.reset();
  executor_ = {};
}

std::optional<os::exit_record> forked_process::try_reap() noexcept {
  try {
    if (!is_copy())
      if (std::optional<os::exit_record> record = client_->look(id_)) return record;
    // Somebody else reaps what the server has left behind, and nobody can tell how it ended.
    if ((is_copy() || !client_->knows(id_)) && pidfd_says_ended())
      return os::exit_record{exit_status::unknown(), std::nullopt};
  } catch (...) {
    // No memory for what the server said: the next look will find it.
  }
  return std::nullopt;
}

os::presence forked_process::look() noexcept {
  return is_copy() || pidfd_says_ended() ? os::presence::taken : os::presence::running;
}

bool forked_process::pidfd_says_ended() const noexcept {
  if (!pidfd_) {
    // Its server is gone: an id that nobody has.
    return pid_ <= 0 || os::is_free_id(pid_);
  }
  return os::is_readable(pidfd_.get());
}

int forked_process::signal(int number) noexcept {
  if (is_copy()) return ESRCH;
  if (pidfd_) {
    // Not ESRCH: that is what it says of a process that is not this one's to wait for, where signals by pidfd
    // are not to be had.
    const int error = os::signal_process(pid_, pidfd_.get(), number);
    if (error != ESRCH || pidfd_says_ended()) return error;
  }
  // Without a pidfd the server alone knows whether the id is still its child's.
  return client_->signal(id_, number, signal_target::process);
}

int forked_process::signal_group(int number) noexcept {
  if (is_copy()) return ESRCH;
  if (pidfd_) {
    const int error = os::signal_group(pid_, pidfd_.get(), number); // since Linux 6.9
    if (error != ESRCH) return error;
  }
  const int error = client_->signal(id_, number, signal_target::group);
  return error == 0 ? 0 : signal(number); // without the server: it alone
}

void forked_process::ended() noexcept {
  client_->forget(id_);
  pidfd_.reset();
}

void forked_process::give_up(context_service*, const asio::any_io_executor&) noexcept {
  // The server reaps it.
  client_->forget(id_);
  pidfd_.reset();
}

} // namespace coproc::detail
