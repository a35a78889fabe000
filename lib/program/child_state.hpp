#pragma once

#include <coproc/command.hpp>
#include <coproc/exit_status.hpp>
#include <coproc/input_stream.hpp>
#include <coproc/output_stream.hpp>
#include <coproc/stop_policy.hpp>

#include "loop/context_service.hpp"
#include "os/reap.hpp"
#include "program/input_state.hpp"
#include "program/output_state.hpp"
#include "program/started_process.hpp"

#include <asio/steady_timer.hpp>

#include <chrono>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace coproc::detail {

/// One for a child, or for all stages of a pipeline, and for everybody who waits for them. The loop may be
/// run by several threads, and the handlers of timers, streams and pidfds run on any of them. Recursive,
/// since who is told of an end acts on the children that it waits for.
using child_mutex = std::recursive_mutex;
using child_lock = std::lock_guard<child_mutex>;

/// Is told of the end of a child, on any thread of the loop, under the child's lock.
class exit_observer {
public:
  virtual void on_exit() = 0;
  /// The timeout of the command is over, and its stop sequence has begun.
  virtual void on_deadline() {}
  /// The handle is gone, and with it every chance to learn of the end. It is an observer no longer.
  virtual void on_abandoned() = 0;
  /// The loop will not tell of the end, for want of memory to wait for it; another wait may.
  virtual void on_unwatched(std::exception_ptr why) = 0;

protected:
  ~exit_observer() = default;
};

/// A process from its start until it is reaped: who waits for it, how it is being stopped, and its streams.
/// Shared by the handle and by the operations on it. Every member function locks mutex().
class child_state final : public context_object, public std::enable_shared_from_this<child_state> {
public:
  using clock = std::chrono::steady_clock;

  /// @param process not yet started, so that all that can fail comes before the start.
  /// @param mutex shared by the stages of a pipeline.
  child_state(const asio::any_io_executor& executor, command program, bool leads_group,
              std::optional<duration> timeout, std::unique_ptr<started_process> process,
              std::shared_ptr<child_mutex> mutex = std::make_shared<child_mutex>());
  ~child_state();

  /// The process has been started. The timeout counts from now.
  void started();

  child_mutex& mutex() const noexcept { return *mutex_; }
  int pid() const noexcept { return pid_; }
  /// @returns whether it is the child of the process that this one is a fork of.
  bool is_copy() const noexcept { return process_->is_copy(); }
  const command& program() const noexcept { return command_; }
  input_stream in;   // empty unless a pipe
  output_stream out; // the same
  output_stream err;
  std::shared_ptr<input_state> background_input; // the pipe that stdio::bytes() goes through
  bool fed_in_background = false;                // and not by an exchange

  /// @throws std::logic_error if the coroutine's executor belongs to another context, or if it is detached.
  void check_use(const asio::any_io_executor& executor);

  /// Looks, and reaps it if it has ended. @returns how it ended; nullopt while it runs.
  std::optional<os::exit_record> look();
  /// @returns how it ended, as far as that has been seen.
  std::optional<os::exit_record> record() const;
  duration elapsed() const;
  /// @returns the timeout, if it is over, and the child was running then and not being stopped for its
  /// output.
  std::optional<duration> timed_out() const;

  /// Its output has exceeded its limit of @p bytes, and some of it was dropped.
  void note_over_limit(std::size_t bytes);
  /// @returns that limit.
  std::optional<std::size_t> over_limit() const;

  /// To be told of the end, and of the loss of the handle, until it is removed. @returns false if the end has
  /// come already; on_exit() will not be called then.
  bool add_observer(std::shared_ptr<exit_observer> observer);
  void remove_observer(const exit_observer& observer);

  /// Signals the process alone. @returns 0 or an errno; 0 if it has ended.
  int send_signal(int number);

  /// Begins the stop sequence, or hastens the one that is going on.
  void begin_stop(const stop_policy& policy);
  /// SIGKILL, to the whole group if it leads one.
  void kill_now();

  /// Lets it live without a handle.
  void detach();
  /// The handle is gone: kills what runs.
  void abandon() noexcept;

  breather breathing;

private:
  enum class stage { running, stopping, ended, detached };

  void shutdown() noexcept override;
  void arm();
  void on_wake();
  void try_reap();
  template <class... Args>
  std::exception_ptr tell(void (exit_observer::*what)(Args...), const Args&... args) noexcept;
  void require_attached() const;
  void signal_all(int number);
  void expect_end(clock::time_point kill_at);
  void set_timer(std::optional<asio::steady_timer>& timer, clock::time_point at, void (child_state::*then)());
  void on_grace_over();
  void on_timeout();
  void let_go_of_loop();
  void close_streams() noexcept;

  const std::shared_ptr<child_mutex> mutex_;
  const command command_;
  const bool leads_group_;
  const std::optional<duration> timeout_;
  const clock::time_point started_;
  const std::unique_ptr<started_process> process_;
  int pid_ = -1;
  clock::time_point ended_{};
  clock::time_point kill_at_ = clock::time_point::max();
  stage stage_ = stage::running;
  bool timed_out_ = false;
  std::optional<std::size_t> over_limit_;
  int stop_signal_ = 0;    // the last that it was sent in order to stop it
  bool abandoned_ = false; // its handle is gone
  bool armed_ = false;
  std::optional<os::exit_record> record_;
  std::vector<std::shared_ptr<exit_observer>> observers_;

  // Gone once the context has ended.
  asio::any_io_executor executor_;
  std::optional<asio::steady_timer> grace_timer_;
  std::optional<asio::steady_timer> deadline_timer_;
};

} // namespace coproc::detail
