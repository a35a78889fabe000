#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

namespace coproc::detail {

/// What the pool decides, apart from carrying it out: who runs what; when a worker is started, replaced,
/// retired or killed; when a task is retried, failed or taken back. No I/O, no processes, no clock: what
/// happens, and when, goes in; what is to be done comes out as actions.
///
/// Units (a task, a chunk of items, a program) wait in one line, first come, first served. At most `size`
/// slots are in use: by workers that have work, and by programs. Short units are handed to a busy worker
/// ahead of time; those that it has not started can be taken back, which takes a freeze of that worker: see
/// freeze.
class pool_policy {
public:
  using time_point = std::chrono::steady_clock::time_point;
  using duration = std::chrono::steady_clock::duration;

  struct limits {
    std::size_t size = 1;
    std::size_t max_tasks = 0; ///< Items a worker may be given; 0: any number.
    duration task_timeout{};   ///< Of one item; zero: none.
    int retries = 0;           ///< How often an item is started again whose worker died.
    bool initializer = false;  ///< Workers report initialised() before they can be used.
    duration budget = std::chrono::microseconds(300); ///< Of expected work that a worker is given at once.
    std::size_t ahead = 512;                          ///< Units that a worker is given at once.
    duration patience = std::chrono::milliseconds(1); ///< A unit that runs longer is not short.
    unsigned deaths_at_start = 4; ///< One after another, with no item finished in between: it gives up.
    unsigned deaths_at_work = 64;
    duration grace = std::chrono::seconds(5); ///< For a worker that leaves; then it is killed.
  };

  enum class unit_kind : std::uint8_t { task, program };
  /// What is to become of a unit's items that are not finished.
  enum class verdict : std::uint8_t {
    none,
    dropped,   ///< Nobody wants it: what runs may finish, no item is started any more.
    cancelled, ///< What runs is killed.
    timed_out, ///< An item took too long; its worker is being killed.
  };

  struct worker;

  struct unit {
    void* owner = nullptr;
    std::uint32_t first = 0, count = 1; ///< Items of the owner.
    std::uint32_t done = 0;             ///< Of these, from the front, so many have results.
    std::uint32_t target = 0;           ///< For the expected duration.
    unit_kind kind = unit_kind::task;
    verdict fate = verdict::none;
    bool alone = false;         ///< Never handed ahead: it is large, or brings descriptors.
    bool divisible = false;     ///< Its size was measured, or nobody's choice: it may be handed in parts.
    bool pends = false;         ///< See slots_of_others().
    int attempts = 0;           ///< Retries that are left for the item that runs.
    worker* by = nullptr;       ///< Who has it; null: it is in the line (or a program that runs).
    std::int64_t cost = 0;      ///< Expected, ns.
    std::uint64_t order = 0;    ///< Of submission.
    std::uint64_t sequence = 0; ///< For the one who carries out: which handing this is, from 1.
    std::uint64_t place = 0;    ///< The same: where it is.
    unit *previous = nullptr, *next = nullptr; ///< In the line.
    bool queued = false;
  };

  enum class worker_state : std::uint8_t { starting, initialising, ready, leaving, killed };

  struct worker {
    void* link = nullptr; ///< For the one who carries out.
    std::size_t id = 0;
    worker_state state = worker_state::starting;
    std::deque<unit*> handed; ///< In this order; the first one is running or next to run.
    std::size_t given = 0;    ///< Items, for max_tasks.
    std::size_t finished = 0; ///< Items.
    std::int64_t load = 0;    ///< Expected, ns.
    /// The last time that it was seen to make progress, got work when it had none, or was told to leave.
    time_point since{};
    time_point look{};     ///< It was found standing still: not to be looked at again before.
    bool freezing = false; ///< A freeze action is under way.
    bool worn = false;     ///< It gets no more work, and is retired once it has none.
    bool stalled = false;  ///< What waited has been taken back: nothing is handed until the first unit ends.
    bool full = false;     ///< There was no room for the next one: nothing is handed until a unit ends.
    bool sharing = false;  ///< It has more than was thought; what it has not begun is for those without work.
    bool late = false;     ///< It has neither begun nor given anything for the time that a task may take.
    bool unproven = false; ///< It was condemned before it had finished anything: its end counts as a death.
    bool overdue = false;  ///< It was to leave, did not, and is being killed.
  };

  enum class action_kind : std::uint8_t {
    start,        ///< A worker; answer started() or start_failed().
    hand,         ///< The unit to the worker.
    freeze,       ///< Let the worker start nothing more, read all of its results; answer frozen().
    take_back,    ///< From a frozen worker: it must not start (the rest of) this unit.
    stop_after,   ///< The item that runs is the last one of the unit; the worker is frozen.
    thaw,         ///< The worker may go on.
    kill,         ///< The worker (which is frozen, unless all ends); answer ended().
    retire,       ///< The worker is to end by itself, having nothing to do; answer ended().
    run_program,  ///< Of the unit; answer program_ended().
    stop_program, ///< That runs; answer program_ended().
    settle,       ///< The owner's items get the outcome.
    drained,      ///< Closed, and the last worker and program have ended. Again, if more was submitted since.
  };

  /// How items end that have no result.
  enum class outcome : std::uint8_t {
    cancelled,
    timed_out,
    died,
    terminated,
    gave_up,      ///< Too many deaths, one after another.
    start_failed, ///< No worker could be started.
  };

  struct action {
    action_kind kind;
    worker* who = nullptr;
    unit* what = nullptr;    ///< hand, run_program, stop_program; with others only as a name.
    void* owner = nullptr;   ///< settle, run_program, stop_program.
    std::uint64_t place = 0; ///< take_back, stop_after: the unit may be gone by then.
    std::uint32_t first = 0, count = 0;
    outcome how = outcome::cancelled;
  };

  struct counts {
    std::size_t workers = 0, idle = 0, queued = 0, running = 0, completed = 0, failed = 0, cancelled = 0,
                restarted = 0;
  };

  explicit pool_policy(limits set);
  pool_policy(const pool_policy&) = delete;
  ~pool_policy();

  /// @name What happens. Actions may follow each.
  /// @{
  struct traits {
    bool alone = false, divisible = false, pends = false; ///< See unit.
  };
  unit& submit(void* owner, unit_kind kind, std::uint32_t count, std::uint32_t target, traits how,
               time_point now);
  /// Cancels (or drops) a unit of one item, or all that an owner has. A unit is valid until all of its items
  /// have been settled or finished; that of a single item stays the same until then.
  void cancel(unit& which, verdict how, time_point now);
  void cancel_owner(void* owner, verdict how, time_point now);
  void started(worker& who, time_point now);
  /// @p how settles the first task in the line if no other worker is there; all of them if @p hopeless.
  enum class hope : std::uint8_t { later, none };
  void start_failed(worker& who, hope left, time_point now);
  void initialised(worker& who, time_point now);
  /// The initializer threw: the worker is killed, and counts as one that died at its start.
  void initializer_failed(worker& who, time_point now);
  /// The first unit of @p who has results for its next items; @p last: it does not start more of them.
  /// @p busy is the time that it took, of one item. @returns whether anybody wants the results.
  bool items_done(worker& who, std::uint32_t succeeded, std::uint32_t failed, bool last, duration busy,
                  time_point now);
  /// How far the next item of a worker's first unit has got that has no result.
  enum class item_state : std::uint8_t {
    waiting, ///< It is not started.
    running,
    finished, ///< But there may have been no room for its result yet.
  };
  /// The answer to freeze. @p item_since: when it was started, if it is running.
  void frozen(worker& who, item_state item, time_point item_since, time_point now);
  /// A hand action was refused: the worker has no room for more now.
  void no_room(worker& who, unit& what, time_point now);
  /// The unit can't be handed to anybody, but has been settled by the one who carries out.
  void unhandable(worker& who, unit& what, time_point now);
  /// It misbehaves: it is killed, as if it had died by itself. Before it has come to be used, that counts at
  /// once as a death at its start.
  void condemn(worker& who, time_point now);
  /// It has something that makes it better replaced (max_rss): it gets no more work.
  void wears_out(worker& who, time_point now);
  /// All of its results have been read. @p item_runs: the first unit has an item that is started and has
  /// none.
  void ended(worker& who, bool item_runs, time_point now);
  enum class program_result : std::uint8_t { succeeded, failed, cancelled };
  void program_ended(unit& which, program_result how, time_point now);
  void close(time_point now);
  void terminate();
  /// Time passes. To be called at wakeup().
  void tick(time_point now);
  /// @}

  /// @returns when tick() is to be called; nullopt: not before something else happens.
  std::optional<time_point> wakeup() const;
  /// @returns the next action, in order; nullopt if there is none.
  std::optional<action> next_action();
  bool has_actions() const noexcept { return !actions_.empty(); }

  /// What one item of a target is expected to take; zero: unknown.
  duration expected(std::uint32_t target) const;
  counts statistics() const;
  /// @returns how many slots are taken by programs, and by items of units whose trait `pends` is not set.
  std::size_t slots_of_others() const;
  std::size_t unfinished() const noexcept { return queued_items_ + handed_items_ + programs_; }
  bool closed() const noexcept { return closed_; }
  bool ended() const noexcept { return drained_; }
  /// Any worker or program that has work, or is on its way up or down.
  bool active() const noexcept;
  const limits& set() const noexcept { return set_; }
  const std::vector<std::unique_ptr<worker>>& workers() const noexcept { return workers_; }
  unsigned deaths() const noexcept { return at_start_ > at_work_ ? at_start_ : at_work_; }

private:
  unit& make_unit(const unit& like);
  void release(unit& u);
  void push_back(unit& u);
  void push_in_order(unit& u);
  void remove(unit& u);
  void act(action a) { actions_.push_back(a); }
  void settle(unit& u, std::uint32_t first, std::uint32_t count, outcome how);
  void settle_rest(unit& u, outcome how);
  void fail_line(outcome how);
  void hand(worker& w, unit& u, time_point now);
  void detach(worker& w, unit& u);
  void requeue(unit& u);
  unit& cut(unit& u, std::uint32_t count);
  void take_rest_back(worker& w, unit& u);
  worker* idle_worker() const;
  worker* worker_ahead(const unit& u, time_point now) const;
  void dispatch(time_point now);
  bool wants_worker() const;
  void start_workers(time_point now);
  bool others_work(const worker& w, bool at_start) const;
  void after_death(const worker& w, bool at_start, time_point now);
  void kill(worker& w);
  void put_down(worker& w);
  void freeze(worker& w);
  void stop_after(worker& w, unit& u);
  bool learn(std::uint32_t target, duration took);
  std::int64_t known(std::uint32_t target) const noexcept {
    return target < expected_.size() ? expected_[target] : 0;
  }
  bool waits_behind_first(const worker& w) const;
  time_point slow_at(const worker& w) const { return std::max(w.since + set_.patience, w.look); }
  std::int64_t could_give(const worker& w) const;
  void share_out();
  void retire(worker& w, time_point now);
  void leave_if_done(time_point now);
  bool usable(const worker& w) const { return w.state == worker_state::ready; }
  bool leaves(const worker& w) const { return w.state == worker_state::leaving && !w.overdue; }
  bool present(const worker& w) const {
    return w.state != worker_state::leaving && w.state != worker_state::killed;
  }
  std::size_t count_present() const;

  limits set_;
  std::vector<std::unique_ptr<worker>> workers_;
  std::deque<action> actions_;
  unit *first_ = nullptr, *last_ = nullptr; // the line
  unit* free_ = nullptr;
  std::vector<std::unique_ptr<unit[]>> blocks_;
  std::vector<unit*> running_programs_;
  std::vector<std::int64_t> expected_; // ns an item, by target
  std::size_t line_tasks_ = 0;         // units in the line that need a worker
  std::size_t queued_items_ = 0, handed_items_ = 0, programs_ = 0, slots_ = 0;
  std::size_t completed_ = 0, failed_ = 0, cancelled_ = 0, restarted_ = 0, owed_ = 0;
  std::size_t next_id_ = 1;
  std::uint64_t next_order_ = 1;
  unsigned at_start_ = 0, at_work_ = 0, start_failures_ = 0;
  time_point not_before_{}; // the next start
  bool replace_now_ = false;
  bool closed_ = false, terminated_ = false, drained_ = false;
};

} // namespace coproc::detail
