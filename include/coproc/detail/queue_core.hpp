#pragma once

#include <coproc/duration.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <utility>

namespace coproc::detail {

class queue_core;
class queue_loop;
class queue_waiter;
struct queue_cancellation;
struct queue_list;
struct queue_timer;

/// What a waiter waits for; each queue has a line for each.
enum class queue_line : unsigned char { get, put, join };

/// What an operation is going to do.
enum class queue_step : unsigned char {
  go_on, ///< Be done, or fail.
  wait,  ///< Get in line, at once: others would be served before it otherwise.
};

/// A waiter's place in a line of one queue.
struct queue_place {
  queue_core* core = nullptr;
  void* item = nullptr; ///< What a put wants to add.
  queue_line line = queue_line::get;

  bool at_home = false; ///< Its coroutine runs on the executor that the queue resumes its waiters on.
  queue_waiter* waiter = nullptr;
  std::uint64_t ticket = 0; ///< Its turn, from when it came first; 0: not yet.
  queue_list* list = nullptr;
  queue_place* previous = nullptr;
  queue_place* next = nullptr;
};

/// Places in the order of their tickets.
struct queue_list {
  queue_place* first = nullptr;
  queue_place* last = nullptr;

  void insert(queue_place& place) noexcept;
  void remove(queue_place& place) noexcept;
};

/// A coroutine that waits in the lines of one or more queues. It lives in the frame of that coroutine, so
/// that waiting allocates nothing; the core of a queue owns the coroutine meanwhile.
class queue_waiter {
public:
  enum class outcome : unsigned char { proceed, aborted, expired, closed, failed };

  queue_waiter() noexcept = default;
  queue_waiter(const queue_waiter&) = delete;
  queue_waiter& operator=(const queue_waiter&) = delete;
  ~queue_waiter() {
    if (state_ != state::idle) abandon();
  }

  /// The time from now that all waits together may take; to be called before the first, and of no effect when
  /// called again. duration::max(): any.
  void allow(duration patience);
  /// Suspends the coroutine until it is its turn in one of the lines, or until nothing is to be waited for.
  asio::awaitable<void> wait(queue_place* places, std::size_t count);
  /// @returns what the wait ended with.
  outcome result() const noexcept { return outcome_; }
  /// Throws what the wait ended with, unless that is a matter of the caller's words: proceed, expired,
  /// closed.
  void rethrow() const {
    if (outcome_ == outcome::aborted || outcome_ == outcome::failed) raise();
  }
  /// @returns the place whose turn it is.
  queue_place* chosen() const noexcept { return chosen_; }

private:
  friend class queue_core;
  friend struct queue_cancellation;
  friend struct queue_timer;
  struct access;
  enum class state : unsigned char {
    idle,    ///< Its coroutine runs, or is not there.
    waiting, ///< In its lines.
    ready,   ///< Out of them; its core will resume it.
    posted,  ///< Out of them, and on its way to another executor than its core's.
  };

  void abandon() noexcept;
  void release() noexcept;
  void leave() noexcept;
  void finish(outcome how, std::exception_ptr error = nullptr) noexcept;
  void resume();
  void post();
  void drop() noexcept;
  [[noreturn]] void raise() const;

  state state_ = state::idle;
  outcome outcome_ = outcome::proceed;
  std::uint32_t count_ = 0;
  queue_place* places_ = nullptr;
  queue_place* chosen_ = nullptr;
  queue_place* reservation_ = nullptr; ///< The place that an item is kept for, while it is posted.
  queue_waiter* next_ready_ = nullptr;
  queue_cancellation* cancellation_ = nullptr;
  std::exception_ptr error_;
  std::shared_ptr<queue_timer> timer_;
  std::chrono::steady_clock::time_point deadline_ = std::chrono::steady_clock::time_point::max();
  alignas(void*) unsigned char handler_[2 * sizeof(void*)]; ///< Asio's handle of the coroutine.
};

/// An awaited operation that is not done at once: its executor is to be checked, or it has to wait. It lives
/// in the frame of its coroutine, which awaits step() until the operation is over().
class queue_operation {
public:
  /// @param item what a put wants to add.
  /// @throws as over().
  queue_operation(queue_core& core, queue_line line, duration patience, void* item = nullptr);

  /// @returns whether the operation can be done now, or has been by others.
  /// @throws what it ends with otherwise: queue_closed, queue_empty, queue_full, operation_aborted.
  bool over();
  asio::awaitable<void> step();
  /// @returns whether the item of a put was added by whoever made room for it.
  bool was_done() const noexcept { return done_; }

private:
  enum class stage : unsigned char { check, checked, wait, waited, over };

  bool can_go_on() const noexcept;
  bool can_wait() const noexcept;
  void decide();
  void conclude();

  queue_place place_;
  queue_waiter waiter_;
  duration patience_;
  stage stage_ = stage::check;
  bool done_ = false;
};

/// What a queue is apart from its items: its count, its lines, and who is resumed when. One strand at a time,
/// like the queue; so is the count of its references.
///
/// A get that waits is not given an item: it is resumed when there is one, which it then takes. So an item
/// leaves the queue only when its coroutine runs, and nothing has to be put back.
/// A put that waits hands its item over as soon as there is room, and is resumed later.
class queue_core {
public:
  queue_core(const queue_core&) = delete;
  queue_core& operator=(const queue_core&) = delete;

  std::size_t size() const noexcept { return added_ - taken_; }
  bool is_closed() const noexcept { return closed_; }
  /// @returns whether an item can be added. Puts that wait mean that there is no room.
  bool has_room() const noexcept { return size() < limit_; }
  /// @returns whether there is an item that is nobody else's turn.
  bool can_take() const noexcept { return size() != 0 && getters_ == 0; }
  /// The same, for who does not get in line: whether there is one more than is needed for those who wait.
  bool can_spare() const noexcept { return size() > getters_; }

  // Whether an awaited operation can be done, and concerns nobody else: then it takes next to nothing.
  bool can_put_at_once() const noexcept { return added_ < put_at_once_until_; }
  bool can_get_at_once() const noexcept { return taken_ < get_at_once_until_ && taken_ != added_; }
  // Whether it can be done with no more ado. If not, it takes a queue_operation.
  bool can_put_now() const noexcept { return added_ < check_put_at_ && has_room(); }
  bool can_get_now() const noexcept { return taken_ < check_get_at_ && can_take(); }

  /// To be called for an awaited operation that is not done so far. @returns whether it is to await
  /// check_in() now.
  bool is_check_due() noexcept {
    return --until_check_ == 0 || added_ >= check_put_at_ || taken_ >= check_get_at_;
  }
  /// Binds to the context of the coroutine; lets everything run that is ready, if that is due and @p next
  /// does not anyway.
  /// @throws std::logic_error if it is bound to another one.
  asio::awaitable<void> check_in(queue_step next);

  void close();
  /// The queue is gone: its waiters are completed with operation_aborted.
  void abandon() noexcept;
  /// @throws operation_aborted if it is.
  void check_alive() const;
  bool all_done() const noexcept { return added_ == done_; }
  void task_done();
  /// Whose turn it is in a select() of which this is the first queue.
  std::size_t turn() const noexcept { return turn_; }
  void set_turn(std::size_t turn) noexcept { turn_ = turn; }

  void add_reference() noexcept { ++references_; }
  void drop_reference() noexcept {
    if (--references_ == 0) end();
  }

protected:
  explicit queue_core(std::size_t limit) noexcept;
  virtual ~queue_core();

  // How many items have been added and taken, ever: item n is kept in slot n, modulo their number.
  std::size_t added() const noexcept { return added_; }
  std::size_t taken() const noexcept { return taken_; }
  /// Wakes who waits for the item that is about to be added.
  void will_add() {
    if (getters_ != 0 && !pending_) schedule();
  }
  // One was added, or taken; at once, or so that others may have to know.
  void count_added() noexcept { ++added_; }
  void count_taken_at_once() noexcept { ++taken_; }
  /// @returns whether took_note() is to be called, and puts are to be let in that wait for the room.
  bool count_taken() noexcept {
    ++taken_;
    return closed_ || putters_.first;
  }
  /// Finds out how many puts and gets will concern nobody else, until others come that they do: those
  /// restrain().
  /// @param slots how many items there is memory for.
  void renew(std::size_t slots) noexcept;
  /// All items have been destroyed.
  void count_all_taken() noexcept {
    taken_ = added_;
    restrain();
  }
  /// Wakes those that wait in vain for items of a closed queue.
  void took_note();
  /// @returns the put that has waited longest.
  queue_place* next_put() const noexcept { return putters_.first; }
  /// Its item has been added; or was not, because of @p error.
  static void accepted(queue_place& place, std::exception_ptr error) noexcept;

private:
  friend class queue_waiter;
  friend class queue_loop;
  friend struct queue_cancellation;
  friend struct queue_timer;

  void end() noexcept;
  bool bind(const asio::any_io_executor& executor);
  bool check(const asio::any_io_executor& executor);
  void check_next() noexcept;
  /// Nothing is done at once until renew().
  void restrain() noexcept { put_at_once_until_ = get_at_once_until_ = 0; }
  queue_list& list_of(queue_line line) noexcept;
  void enter(queue_place& place, const asio::any_io_executor& executor);
  void exit(queue_place& place) noexcept;
  void settle() noexcept;
  void unreserve() noexcept;
  void push_ready(queue_waiter& waiter) noexcept;
  void schedule();
  bool has_next() const noexcept;
  void resume_some();
  void resume_one();
  void call(queue_place& place);
  void turn_away(queue_place& place) noexcept;
  void drop_all() noexcept;

  // What every operation needs comes first: one line of the cache.
  std::size_t added_ = 0;
  std::size_t taken_ = 0;
  std::size_t put_at_once_until_ = 0; ///< In terms of added_.
  std::size_t get_at_once_until_ = 0; ///< In terms of taken_.
  std::uint32_t references_ = 0;
  std::uint32_t until_check_ = 1; ///< Operations that have to wait, until the next check.
  bool pending_ = false;          ///< resume_some() runs or is going to.
  bool closed_ = false;
  bool abandoned_ = false;
  std::size_t getters_ = 0; ///< Gets that wait, and those that an item is reserved for.
  std::size_t limit_;       ///< 0 as soon as nothing may be added any more.
  std::size_t check_put_at_ = 0;
  std::size_t check_get_at_ = 0;
  std::size_t done_ = 0; ///< Calls of task_done(), ever.
  std::uint32_t budget_ = 0;
  std::uint32_t checks_ = 0;
  queue_list putters_;
  queue_list waiting_getters_;
  queue_list joiners_;
  std::size_t reserved_ = 0; ///< Items for gets that are on the way to their own executor.
  std::size_t waiters_ = 0;  ///< Places in all lines.
  std::size_t turn_ = 0;
  std::uint64_t last_ticket_ = 0;
  queue_waiter* first_ready_ = nullptr;
  queue_waiter* last_ready_ = nullptr;
  std::unique_ptr<queue_loop> loop_;
};

/// Owns a share of a queue_core.
template <class Core>
class queue_reference {
public:
  queue_reference() noexcept = default;
  explicit queue_reference(Core* core) noexcept : core_(core) { core_->add_reference(); }
  queue_reference(queue_reference&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
  queue_reference& operator=(queue_reference&& other) noexcept {
    queue_reference taken(std::move(other));
    std::swap(core_, taken.core_);
    return *this;
  }
  queue_reference(const queue_reference&) = delete;
  ~queue_reference() {
    if (core_) core_->drop_reference();
  }

  Core* get() const noexcept { return core_; }
  Core* operator->() const noexcept { return core_; }
  Core& operator*() const noexcept { return *core_; }

private:
  Core* core_ = nullptr;
};

[[noreturn]] void throw_queue_empty();
[[noreturn]] void throw_queue_full();
[[noreturn]] void throw_queue_closed();
[[noreturn]] void throw_queue_moved_from();
[[noreturn]] void throw_queue_expired(queue_line line);

} // namespace coproc::detail
