#pragma once

#include "loop/context_service.hpp"
#include "os/fork_mark.hpp"
#include "pool/host_link.hpp"
#include "pool/outcome_errors.hpp"
#include "pool/policy.hpp"
#include "pool/pool_owner.hpp"
#include "pool/progress_reporter.hpp"
#include "pool/target_table.hpp"
#include "pool/waiters.hpp"
#include "worker/function_process.hpp"

#include <coproc/detail/pool_core.hpp>
#include <coproc/pool_options.hpp>
#include <coproc/pool_stats.hpp>
#include <coproc/run.hpp>

#include <asio/cancellation_signal.hpp>
#include <asio/steady_timer.hpp>

#include <list>
#include <memory>
#include <string>
#include <unordered_map>

namespace coproc::detail {

struct pool_access {
  static std::size_t size(const pool_options& o) { return o.size_; }
  static std::optional<start_method> method(const pool_options& o) { return o.method_; }
  static std::size_t max_tasks(const pool_options& o) { return o.max_tasks_; }
  static std::size_t max_rss(const pool_options& o) { return o.max_rss_; }
  static std::size_t max_pending(const pool_options& o) { return o.max_pending_; }
  static duration task_timeout(const pool_options& o) { return o.task_timeout_; }
  static int retries(const pool_options& o) { return o.retries_; }
  static pool_target initializer(const pool_options& o) { return o.initializer_; }
  static const std::shared_ptr<message>& initializer_arguments(const pool_options& o) {
    return o.initializer_arguments_;
  }
  static const std::function<void(progress)>& report(const pool_options& o) { return o.report_; }
};

class pool_worker;

/// The pool, without types: carries out what the policy decides.
class pool_state final : public context_object, public std::enable_shared_from_this<pool_state> {
public:
  using clock = std::chrono::steady_clock;

  pool_state(asio::any_io_executor executor, const pool_options& options);
  ~pool_state();

  std::uint32_t number_of(const pool_target& target) { return targets_.number_of(target); }
  const std::string& name_of(std::uint32_t target) const { return targets_[target].name; }

  /// @throws pool_closed after close() and terminate().
  void require_open() const;
  /// @throws std::logic_error if the executor belongs to another context.
  void check_use(const asio::any_io_executor& used) { bind(used, "pool"); }

  /// @returns whether max_pending lets one more task in.
  bool has_room() const noexcept;
  void task_begins() noexcept { ++tasks_; }
  void task_ends() noexcept { --tasks_; }
  /// One that waited for has_room() goes on. @throws what it ends with if the pool has ended meanwhile.
  void admitted();
  /// It does not: its room is for another.
  void admission_declined();
  void submit(const std::shared_ptr<pool_owner>& owner, std::uint32_t items, pool_policy::unit_kind kind);
  void cancel(pool_owner& owner, pool_policy::verdict how);
  void program_ended(pool_owner& owner, pool_policy::program_result how);

  void close();
  void terminate();
  static asio::awaitable<void> join(std::shared_ptr<pool_state> self);
  pool_stats stats();
  /// The handle is gone.
  void abandon() noexcept;
  bool terminated() const noexcept { return terminated_; }
  /// @returns what an operation ends with that the end of the pool has stopped.
  std::exception_ptr end_of_operation() const;

  const pool_policy& policy() const noexcept { return policy_; }
  asio::any_io_executor executor() const { return executor_; }
  /// For its on_progress function; nullopt: the pool is gone.
  std::optional<progress> progress_now();
  /// apply() beyond max_pending waits here.
  waiters& admissions() noexcept { return admissions_; }

private:
  friend class pool_worker;

  void shutdown() noexcept override;
  void forked() override;
  bool left_to_host() noexcept;
  void drop_workers() noexcept;
  void pump();
  void carry_on();
  void carry_out(const pool_policy::action& a);
  void start(pool_policy::worker& who);
  std::exception_ptr error_of(const pool_policy::action& a) const;
  std::optional<clock::time_point> next_look() const;
  void set_timer();
  void stop_timer_if_idle();
  void on_timer();
  void let_in();
  void admit_first();
  static pool_worker& worker_of(const pool_policy::worker* which) {
    return *static_cast<pool_worker*>(which->link);
  }
  void touch(pool_worker& w) noexcept;
  bool settle_touched(clock::time_point now);
  void on_ended(pool_worker& w);

  const os::fork_mark mark_;
  asio::any_io_executor executor_; // empty once the context has ended
  const std::optional<start_method> method_;
  const std::size_t max_pending_;
  worker_settings settings_;
  pool_target initializer_;
  std::uint32_t initializer_number_ = 0;
  std::shared_ptr<message> initializer_arguments_;
  progress_reporter reporter_;

  pool_policy policy_;
  target_table targets_;
  outcome_errors errors_;
  std::unordered_map<const pool_policy::worker*, std::shared_ptr<pool_worker>> workers_;
  std::list<std::shared_ptr<pool_worker>> touched_;
  std::optional<asio::steady_timer> timer_;
  clock::time_point timer_at_ = clock::time_point::max();
  waiters joiners_;
  waiters admissions_;       // apply() beyond max_pending
  std::size_t tasks_ = 0;    // of apply() and apply_async(), unfinished
  std::size_t admitted_ = 0; // on their way in
  bool pumping_ = false, stopping_timer_ = false;
  bool closing_ = false, terminated_ = false, abandoned_ = false;
  unsigned submitted_ = 0;
  std::size_t total_ = 0, reported_ = 0;
};

} // namespace coproc::detail
