#pragma once

#include "os/exit_watch.hpp"
#include "os/launch.hpp"
#include "program/started_process.hpp"

#include <optional>

namespace coproc::detail {

/// A child of this very process, which nobody else reaps.
class own_process final : public started_process {
public:
  /// All that can fail is done here, before the process is there.
  explicit own_process(const asio::any_io_executor& executor) : watch_(std::in_place, executor) {}

  void adopt(os::launched process) noexcept { process_ = std::move(process); }

  int pid() const noexcept override { return process_.pid; }
  void wait(std::function<void(bool aborted)> handler) override;
  void too_early() noexcept override;
  void cancel_wait() override;
  void leave_loop() noexcept override;
  std::optional<os::exit_record> try_reap() noexcept override;
  os::presence look() noexcept override;
  int signal(int number) noexcept override;
  int signal_group(int number) noexcept override;
  void ended() noexcept override;
  void give_up(context_service* service, const asio::any_io_executor& executor) noexcept override;

private:
  os::launched process_;
  std::optional<os::exit_watch> watch_;
};

} // namespace coproc::detail
