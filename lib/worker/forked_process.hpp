#pragma once

#include "os/exit_watch.hpp"
#include "program/started_process.hpp"
#include "worker/fork_client.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace coproc::detail {

/// A child of the fork server.
class forked_process final : public started_process {
public:
  forked_process(std::shared_ptr<fork_client> client, const asio::any_io_executor& executor)
      : client_(std::move(client)), executor_(executor) {}
  ~forked_process() override;

  void assign(std::uint64_t id) noexcept { id_ = id; }
  void adopt(int pid, os::unique_fd pidfd) noexcept {
    pid_ = pid;
    pidfd_ = std::move(pidfd);
  }

  int pid() const noexcept override { return pid_; }
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
  bool pidfd_says_ended() const noexcept;

  std::shared_ptr<fork_client> client_;
  asio::any_io_executor executor_;
  std::uint64_t id_ = 0;
  int pid_ = -1;
  os::unique_fd pidfd_;
  std::optional<os::exit_watch> orphan_watch_; // when the server is gone, and cannot tell
  bool left_ = false;
};

} // namespace coproc::detail
