#pragma once

#include "pool/host_link.hpp"
#include "pool/pool_state.hpp"

#include <asio/cancellation_signal.hpp>

#include <list>
#include <memory>
#include <optional>

namespace coproc::detail {

/// One worker process, from the decision to start it until its end has been seen.
class pool_worker final : public std::enable_shared_from_this<pool_worker> {
public:
  pool_worker(pool_state& pool, pool_policy::worker& is);
  pool_worker(const pool_worker&) = delete;
  ~pool_worker();

  /// Begins to start it; the policy is told of the outcome.
  void start();
  void kill();
  /// It is to end by itself, having nothing to do.
  void retire();
  /// Nobody carries the pool on: kills it without waiting.
  void drop() noexcept;

  void hand(pool_policy::unit& unit, pool_state::clock::time_point now);
  void freeze(pool_state::clock::time_point now);
  void thaw() { link_->thaw(); }
  void revoke(std::uint64_t place) { link_->revoke(place); }

  /// Reads what results there are; kills a worker that writes nonsense.
  void drain_safely(pool_state::clock::time_point now);
  /// The same when its process has ended: also those that it had not yet given out.
  void drain_at_end(pool_state::clock::time_point now) noexcept;
  /// It is up, and may be given something.
  bool usable() const noexcept { return pool_ && link_ && !starting_ && !ended_ && !killed_; }
  /// Its end has been seen: the pool forgets it.
  void gone() noexcept;
  /// Sees to it that the next result is noticed. @returns false if there are some already.
  bool arm();
  void nudge() noexcept { link_->nudge(); }
  /// Learns of its end also if it does not close its channel (its own children may hold a copy).
  void watch_end();
  void watch_end_at_last() {
    if (end_unwatched_) watch_end();
  }
  void leave_end_alone();
  /// @returns whether it has ended, though nobody has waited for that.
  bool has_ended();
  /// Whether an item is being run, as far as the page says.
  bool item_runs() const noexcept;
  /// @returns when to touch it: for a result that there was no room for, or as the loop cannot wait for it.
  std::optional<pool_state::clock::time_point> look_again() const noexcept;

  pool_policy::worker& is() const noexcept { return *is_; }
  int pid() const noexcept { return pid_; }
  exit_status status() const;
  bool watched() const noexcept { return observer_ != nullptr; }

  /// Its place among those that the pool has to look after (pool_state::touch), while it is not there: so
  /// none has to be made when there may be no memory for it.
  std::list<std::shared_ptr<pool_worker>> free_place{nullptr};

private:
  class end_observer;

  void receive();
  void drain(host_link::depth how, pool_state::clock::time_point now);
  bool is_short() const noexcept { return link_ && link_->is_short(); }
  /// Whether results that there is no room for are left where they are.
  bool is_patient(pool_state::clock::time_point now) const noexcept;
  asio::awaitable<void> run_start();
  void on_started(std::exception_ptr error);
  void hand_initializer();
  void on_readable();
  void take(const host_link::result& r, pool_state::clock::time_point now);
  void condemn(const link_garbage& garbage);

  pool_state* pool_; // null when it is gone
  pool_policy::worker* is_;
  std::shared_ptr<function_process> process_;
  std::unique_ptr<host_link> link_;
  std::shared_ptr<end_observer> observer_;
  asio::cancellation_signal start_;
  std::uint64_t sequence_ = 0;
  std::uint64_t initializer_ = 0;                            ///< The sequence number of it, while it runs.
  std::optional<pool_state::clock::time_point> short_since_; ///< Since when there is no room for a result.
  pool_state::clock::time_point look_again_;
  int pid_ = -1;
  bool starting_ = false, killed_ = false, waiting_ = false, closed_ = false, ended_ = false;
  bool freezing_ = false; ///< The policy is to be told when all that it has given is read.
  bool page_is_spoilt_ = false;
  bool unheard_ = false;       ///< It has work, and nothing waits on its channel.
  bool end_unwatched_ = false; ///< Nothing waits for its end, which was to be watched.
};

} // namespace coproc::detail
