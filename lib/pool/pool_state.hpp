#pragma once

#include "loop/context_service.hpp"
#include "pool/host_link.hpp"
#include "pool/policy.hpp"
#include "pool/waiters.hpp"
#include "worker/function_process.hpp"

#include <coproc/detail/pool_core.hpp>
#include <coproc/pool_options.hpp>
#include <coproc/pool_stats.hpp>
#include <coproc/run.hpp>

#include <asio/cancellation_signal.hpp>
#include <asio/steady_timer.hpp>

#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

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

/// One function object is called throughout: it may keep count of something.
inline std::shared_ptr<std::function<void(progress)>>
shared_report(const std::function<void(progress)>& report) {
  return report ? std::make_shared<std::function<void(progress)>>(report) : nullptr;
}

/// Whose items the policy's units are: each of them gets a result or an error, once.
class pool_owner : public std::enable_shared_from_this<pool_owner> {
public:
  pool_owner(std::uint32_t items, std::uint32_t target_, message arguments_)
      : arguments(std::move(arguments_)), target(target_), left_(items) {}
  pool_owner(const pool_owner&) = delete;
  virtual ~pool_owner() = default;

  void deliver(std::uint32_t first, std::uint32_t count, std::span<const std::byte> bytes, message* packet) {
    auto keep = shared_from_this();
    settle(count);
    delivered(first, count, bytes, packet);
  }
  /// The execution context ends: nobody who waits can be told.
  void drop() noexcept {
    auto keep = shared_from_this();
    unit = nullptr;
    self_.reset();
    dropped();
  }
  void fail(std::uint32_t first, std::uint32_t count, const std::exception_ptr& error) {
    auto keep = shared_from_this();
    settle(count);
    failed(first, count, error);
  }
  /// It was run and has ended by itself: there is nothing to settle.
  void release() noexcept {
    unit = nullptr;
    self_.reset();
  }
  /// A program's, when it is its turn, and when it is to end.
  virtual void begin() {}
  virtual void stop() {}

  /// Until all items are settled, the policy alone may know of it.
  void keep_alive() { self_ = shared_from_this(); }

  /// Somebody awaits it as an operation of the pool, and is told operation_aborted when the pool is
  /// destroyed.
  bool is_operation = false;
  /// How many items it has was measured, and not asked for.
  bool divisible = false;
  message arguments;
  const std::uint32_t target;
  pool_policy::unit* unit = nullptr; ///< Of an owner of one item, as long as it is not settled.

private:
  virtual void delivered(std::uint32_t first, std::uint32_t count, std::span<const std::byte> bytes,
                         message* packet) = 0;
  virtual void failed(std::uint32_t first, std::uint32_t count, const std::exception_ptr& error) = 0;
  virtual void dropped() noexcept = 0;

  void settle(std::uint32_t count) {
    left_ -= count;
    if (left_ != 0) return;
    unit = nullptr;
    arguments = message();
    self_.reset();
  }

  std::uint32_t left_;
  std::shared_ptr<pool_owner> self_;
};

class pool_worker;

/// The pool, without types: carries out what the policy decides.
class pool_state final : public context_object, public std::enable_shared_from_this<pool_state> {
public:
  using clock = std::chrono::steady_clock;

  pool_state(asio::any_io_executor executor, const pool_options& options);
  ~pool_state();

  /// The number by which the policy and the workers know a target.
  std::uint32_t number_of(const pool_target& target);
  std::string name_of(std::uint32_t target) const { return targets_[target].name; }

  /// @throws pool_closed after close() and terminate().
  void require_open() const;
  /// @throws std::logic_error if the executor belongs to another context.
  void check_use(const asio::any_io_executor& used) { bind(used, "pool"); }

  /// @returns whether max_pending lets one more task in.
  bool has_room() const noexcept {
    return max_pending_ == 0 || tasks_ + admitted_ < policy_.set().size + max_pending_;
  }
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
  /// apply() beyond max_pending waits here.
  waiters& admissions() noexcept { return admissions_; }

private:
  friend class pool_worker;

  struct target_info {
    pool_target target;
    std::string name;
    std::string module_id, module_path;
    std::uint64_t offset = 0;
  };

  void shutdown() noexcept override;
  void pump();
  void carry_out(const pool_policy::action& a);
  std::exception_ptr error_of(const pool_policy::action& a) const;
  std::optional<clock::time_point> next_look() const;
  void set_timer();
  void stop_timer_if_idle();
  void on_timer();
  void report();
  void let_in();
  static pool_worker& worker_of(const pool_policy::worker* which) {
    return *static_cast<pool_worker*>(which->link);
  }
  void touch(pool_worker& w);
  bool settle_touched(clock::time_point now);
  void on_ended(pool_worker& w);

  asio::any_io_executor executor_; // empty once the context has ended
  const std::optional<start_method> method_;
  const std::size_t max_pending_;
  worker_settings settings_;
  pool_target initializer_;
  std::uint32_t initializer_number_ = 0;
  std::shared_ptr<message> initializer_arguments_;
  const std::shared_ptr<std::function<void(progress)>> report_; // null: nobody asks

  pool_policy policy_;
  std::vector<target_info> targets_;
  std::unordered_map<pool_entry, std::uint32_t> numbers_;
  std::unordered_map<const pool_policy::worker*, std::shared_ptr<pool_worker>> workers_;
  std::vector<std::shared_ptr<pool_worker>> touched_;
  std::optional<asio::steady_timer> timer_;
  clock::time_point timer_at_ = clock::time_point::max();
  waiters joiners_;
  waiters admissions_;       // apply() beyond max_pending
  std::size_t tasks_ = 0;    // of apply() and apply_async(), unfinished
  std::size_t admitted_ = 0; // on their way in
  bool pumping_ = false, reporting_ = false, stopping_timer_ = false;
  bool closing_ = false, terminated_ = false, abandoned_ = false;
  unsigned submitted_ = 0;
  std::size_t total_ = 0, reported_ = 0;

  // What the settle actions that follow a death or a failed start are to say.
  exit_status last_end_;
  int last_pid_ = -1;
  std::exception_ptr start_error_;
  std::string initializer_error_;
};

} // namespace coproc::detail
