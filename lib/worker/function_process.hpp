#pragma once

#include <coproc/detail/process_core.hpp>
#include <coproc/remote_error.hpp>

#include "ipc/packet.hpp"
#include "os/fd.hpp"
#include "os/host_fd.hpp"
#include "os/liveness.hpp"
#include "program/child_state.hpp"
#include "program/child_streams.hpp"
#include "worker/fork_client.hpp"

#include <asio/cancellation_signal.hpp>

#include <memory>
#include <optional>
#include <string>

namespace coproc::detail {

/// A function call in a child process, from before its start until its result has been read.
class function_process : public std::enable_shared_from_this<function_process> {
public:
  /// Whose it is: the user's are counted, for their default names.
  enum class owner { user, pool };

  function_process(process_options options, target_call call, owner whose);
  function_process(const function_process&) = delete;
  ~function_process();

  static asio::awaitable<void> start(std::shared_ptr<function_process> self);
  static asio::awaitable<bool> join(std::shared_ptr<function_process> self, std::optional<duration> limit);
  static asio::awaitable<std::shared_ptr<message>> result(std::shared_ptr<function_process> self);

  const std::string& name() const noexcept { return name_; }
  /// @throws std::logic_error before the start.
  child_state& child() const;
  const std::shared_ptr<child_state>& maybe_child() const noexcept { return child_; }
  void detach();
  /// The handle is gone.
  void abandon() noexcept;

private:
  /// The descriptors that tie a host and its child together.
  struct ends {
    os::host_fd channel;
    os::host_fd lifeline;
    os::host_fd child_channel;
    os::host_fd child_lifeline;
  };

  static asio::awaitable<void> start_by_server(std::shared_ptr<function_process> self);
  static asio::awaitable<void> start_by_spawn(std::shared_ptr<function_process> self);
  static asio::awaitable<void> start_by_fork(std::shared_ptr<function_process> self);

  ends make_ends() const;
  fork_order order(ends& made, child_streams& streams);
  void send_call(int channel);
  void check_streams() const;
  /// Throws operation_aborted if the handle has gone while a coroutine waited.
  void require_handle() const;
  std::string blame() const { return "start '" + name_ + "'"; }
  std::string missing_code() const;
  std::function<void(message&)> body();
  void started(std::shared_ptr<child_state> child, ends made);
  void read_outcome();
  void take_outcome(incoming& last);

  std::string name_;
  std::optional<start_method> method_;
  stdio in_, out_, err_;
  target_call call_;

  bool starting_ = false;
  asio::cancellation_signal stop_start_; // for a start that waits when the handle goes
  std::shared_ptr<child_state> child_;
  bool abandoned_ = false;
  os::host_fd channel_;
  os::host_fd lifeline_;

  enum class outcome { unread, none, lost, value, exception }; // lost: for want of memory
  outcome outcome_ = outcome::unread;
  message result_;
  std::vector<remote_error::exception> chain_;
};

} // namespace coproc::detail
