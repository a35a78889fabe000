#include "program/own_process.hpp"

#include "os/reaper.hpp"
#include "os/signal.hpp"

#include <cerrno>

namespace coproc::detail {

void own_process::wait(std::function<void(bool)> handler) {
  if (watch_) watch_->wait(process_.pidfd, std::move(handler));
}

void own_process::too_early() noexcept {
  if (watch_) watch_->too_early(process_.pidfd.get());
}

void own_process::cancel_wait() {
  if (watch_) watch_->cancel();
}

void own_process::leave_loop() noexcept { watch_.reset(); }

std::optional<os::exit_record> own_process::try_reap() noexcept {
  return os::try_reap(process_.pid, process_.pidfd.get());
}

os::presence own_process::look() noexcept { return os::look(process_.pid, process_.pidfd.get()); }

int own_process::signal(int number) noexcept {
  if (is_copy()) return ESRCH;
  return os::signal_process(process_.pid, process_.pidfd.get(), number);
}

int own_process::signal_group(int number) noexcept {
  if (is_copy()) return ESRCH;
  return os::signal_group(process_.pid, process_.pidfd.get(), number);
}

void own_process::ended() noexcept {
  if (watch_) watch_->stop();
  process_.pidfd.reset();
}

void own_process::give_up(context_service* service, const asio::any_io_executor& executor) noexcept {
  leave_loop();
  if (service && executor) return service->reap(executor, std::move(process_));
  os::reap_later(std::move(process_));
}

} // namespace coproc::detail
