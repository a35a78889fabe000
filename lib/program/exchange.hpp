#pragma once

#include <coproc/completed.hpp>

#include "loop/suspension.hpp"
#include "program/child_state.hpp"

#include <asio/steady_timer.hpp>

#include <memory>
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
/// that a cancellation can be answered by a stop that takes its time. The children's mutex guards it.
class exchange final : public exit_observer, public std::enable_shared_from_this<exchange> {
public:
  /// What a cancellation does: end the operation (communicate), or stop the children first (run).
  enum class on_cancel { leave, stop };

  /// @param children share one mutex.
  /// @throws std::logic_error if somebody is reading or writing one of the streams.
  exchange(std::vector<std::shared_ptr<child_state>> children, on_cancel policy);

  /// Completes @p waiter when all is over.
  void start(suspension<exchange_result> waiter);
  void cancel(asio::cancellation_type_t type);

private:
  enum class phase {
    following, // the children run
    stopping,  // the same, but who waits has cancelled: their output is nobody's
    draining,  // all have ended; a stream, which a grandchild may hold open, has not, and gets so much time
    finished   // who waited has been told
  };

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
  void on_unwatched(std::exception_ptr why) override;

  void add_drain(const output_stream& stream, std::size_t stage, bool is_error);
  template <class Function>
  void go_on(Function step);
  void read(drain& from);
  void wait_readable(drain& from);
  /// @returns the limit that was exceeded, by this exchange or by one that was cancelled before it.
  std::optional<std::size_t> over_limit() const { return children_.front()->over_limit(); }
  void drop_excess(drain& from);
  void stop_all();
  void write();
  void check_ended();
  void begin_draining();
  void read_what_is_there();
  void finish();
  void fail(std::exception_ptr error);
  suspension<exchange_result> end();
  exchange_result collect();

  const std::vector<std::shared_ptr<child_state>> children_;
  const on_cancel policy_;
  phase phase_ = phase::following;
  bool stops_for_output_ = false;                     // and has begun with it
  std::optional<suspension<exchange_result>> waiter_; // from start() until finished
  std::shared_ptr<input_state> input_;                // null once it is closed
  std::optional<stream_end::turn> input_turn_;
  std::vector<drain> drains_;
  std::optional<asio::steady_timer> drain_grace_;
};

} // namespace coproc::detail
