#pragma once

#include <coproc/completed.hpp>

#include "loop/suspension.hpp"
#include "program/child_state.hpp"

#include <asio/steady_timer.hpp>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace coproc::detail {

/// What came of an exchange.
struct exchange_result {
  enum class reason { ended, timed_out, too_much_output };

  reason why = reason::ended;
  completed done;
  duration timeout{};    // timed_out: the limit
  std::size_t limit = 0; // too_much_output: the limit
};

/// Follows one program, or all stages of a pipeline, to the end: feeds the first one's stdin, drains stdout
/// of the last and stderr of all, and waits. One operation on the loop, without a coroutine of its own, so
/// that a cancellation can be answered by a stop that takes its time.
///
/// The handlers may run on several threads: the mutex guards all.
class exchange final : public exit_observer, public std::enable_shared_from_this<exchange> {
public:
  /// What a cancellation does: end the operation (communicate), or stop the children first (run).
  enum class on_cancel { leave, stop };

  /// @throws std::logic_error if somebody is reading or writing one of the streams.
  exchange(std::vector<std::shared_ptr<child_state>> children, on_cancel policy);

  /// Completes @p waiter when all is over.
  void start(suspension<exchange_result> waiter);
  void cancel(asio::cancellation_type_t type);

private:
  using lock_type = std::unique_lock<std::mutex>;

  struct drain {
    std::shared_ptr<output_state> stream; // outlives the turn
    std::optional<stream_end::turn> turn;
    std::size_t most; // bytes to keep
    bool is_error = false;
    std::size_t stage = 0;
    bool ended = false;
  };

  void on_exit() override;
  void on_deadline() override;
  void on_abandoned() override;

  void add_drain(const output_stream& stream, std::size_t stage, bool is_error);
  void begin(lock_type& lock);
  template <class Function>
  void guarded(lock_type& lock, Function function);
  void read(drain& from, lock_type& lock);
  void wait_readable(drain& from);
  void drop_excess(drain& from);
  void stop_all();
  void write();
  void check_ended(lock_type& lock);
  void on_drain_grace_over();
  void read_what_is_there(lock_type& lock);
  void finish(lock_type& lock);
  void fail(lock_type& lock, std::exception_ptr error);
  void let_go();
  exchange_result collect();

  std::mutex mutex_;
  const std::vector<std::shared_ptr<child_state>> children_;
  const on_cancel policy_;
  std::optional<suspension<exchange_result>> waiter_; // empty: finished
  std::shared_ptr<input_state> input_;
  std::optional<stream_end::turn> input_turn_;
  std::vector<drain> drains_;
  std::optional<asio::steady_timer> drain_grace_;
  std::optional<std::size_t> over_limit_; // the limit that was exceeded
  bool all_exited_ = false;
  bool stopping_ = false; // cancelled, and waiting for the children to end
};

} // namespace coproc::detail
