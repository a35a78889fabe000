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

  /// The time that all waits together may take; to be called before the first. duration::max(): any.
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

  std::size_t size() const noexcept { return size_; }
  bool is_closed() const noexcept { return closed_; }
  /// @returns whether an item can be added. Puts that wait mean that there is no room.
  bool has_room() const noexcept { return size_ < limit_; }
  /// @returns whether there is an item that is nobody else's turn.
  bool can_take() const noexcept { return size_ != 0 && getters_ == 0; }

  /// To be called by every awaited operation. @returns false if it is to call check() now.
  bool is_quick() noexcept { return --until_check_ != 0; }
  /// Binds to the executor's context. @returns whether to await breathe().
  /// @throws std::logic_error if it is bound to another one.
  bool check(const asio::any_io_executor& executor);
  /// Lets everything run that is ready.
  asio::awaitable<void> breathe();

  void close();
  /// The queue is gone: its waiters are completed with operation_aborted.
  void abandon() noexcept;
  bool all_done() const noexcept { return unfinished_ == 0; }
  void task_done();
  /// Whose turn it is in a select() of which this is the first queue.
  std::size_t turn() const noexcept { return turn_; }
  void set_turn(std::size_t turn) noexcept { turn_ = turn; }

  void add_reference() noexcept { ++references_; }
  void drop_reference() noexcept {
    if (--references_ == 0) delete this;
  }

protected:
  explicit queue_core(std::size_t limit) noexcept;
  virtual ~queue_core();

  /// An item was added.
  void added() {
    ++size_;
    ++unfinished_;
    if (getters_ != 0 && !pending_) schedule();
  }
  /// One was taken out. @returns whether took_note() is to be called.
  bool removed() noexcept {
    --size_;
    return putters_.first != nullptr || closed_;
  }
  /// All items are about to be destroyed. @returns how many.
  std::size_t drain() noexcept { return std::exchange(size_, 0); }
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

  bool bind(const asio::any_io_executor& executor);
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

  std::size_t size_ = 0;
  std::size_t limit_;             ///< 0 as soon as nothing may be added any more.
  std::size_t getters_ = 0;       ///< Gets that wait, and those that an item is reserved for.
  std::uint32_t until_check_ = 1; ///< Operations until the next check().
  std::uint32_t references_ = 0;
  bool closed_ = false;
  bool abandoned_ = false;
  bool pending_ = false; ///< resume_some() runs or is going to.
  std::uint32_t budget_ = 0;
  std::uint32_t checks_ = 0;
  queue_list putters_;
  queue_list waiting_getters_;
  queue_list joiners_;
  std::size_t unfinished_ = 0;
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
