#pragma once

#include <coproc/detail/made_of.hpp>
#include <coproc/detail/queue_state.hpp>
#include <coproc/duration.hpp>
#include <coproc/queue_closed.hpp>
#include <coproc/queue_empty.hpp>
#include <coproc/queue_full.hpp>

#include <asio/awaitable.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace coproc {

namespace detail {
class queue_selection;
}

/// A queue between the coroutines of one event loop. First in, first out, for the items and for those who
/// wait.
///
/// With a capacity it holds fast producers back: put() waits until there is room. T is any type that can be
/// moved; one whose move constructor throws is fine, too: an item that can't be moved out stays in the queue.
/// Only if the move from the coroutine's result to its caller throws, after that, is it lost. The destructor
/// of an item may use the queue, its constructors may not.
///
/// An operation that need not wait does not suspend, except that every 128th put and every 128th get lets the
/// event loop breathe, and comes after those that are served meanwhile. In the steady state nothing is
/// allocated for an item whose move constructor is noexcept, waited for or not. A wait with a limit in time
/// takes a timer, and a pause for the loop may allocate.
///
/// A coroutine's frame has the alignment that a plain `new` gives, and no more (P2014). So a T that wants
/// more may lie misaligned in put() and get(), as in any coroutine that holds one; put_nowait() and
/// get_nowait() keep it as it wants to be.
///
/// **Cancellation**: terminal, partial and total, of every operation that waits. A cancelled get has taken no
/// item: one leaves the queue only when the coroutine that gets it runs, until then it counts in qsize() and
/// anybody may take it by get_nowait(); whoever was to get it goes on waiting, in the old place. A cancelled
/// put has added none; once it has, it cannot be cancelled any more.
/// **Destruction**: waiters complete with `operation_aborted`, items are destroyed. Moving it keeps both. It
/// may outlive its execution context, which destroys waiters and leaves items; the forms that do not wait go
/// on working.
/// **Execution context**: that of the first awaited operation. Another one is a `std::logic_error`; of
/// operations that need not wait, only the first 16 and those that let the loop breathe are checked for that.
/// **Thread safety**: one strand at a time.
template <class T>
class queue {
  static_assert(std::is_object_v<T> && !std::is_const_v<T> && std::is_move_constructible_v<T>,
                "coproc::queue<T>: T has to be an object type that can be moved");

public:
  using value_type = T;

  /// @param maxsize how many items it holds; 0 or less: as many as there is memory for.
  explicit queue(std::ptrdiff_t maxsize = 0)
      : state_(new state(maxsize > 0 ? static_cast<std::size_t>(maxsize) : state::unbounded)) {}
  queue(queue&&) noexcept = default;
  queue& operator=(queue&& other) noexcept {
    if (this != &other) {
      drop();
      state_ = std::move(other.state_);
    }
    return *this;
  }
  ~queue() { drop(); }

  /// Adds an item at the end; waits for room.
  /// @throws queue_closed, also if it is closed meanwhile.
  [[nodiscard]] asio::awaitable<void> put(T item) { return do_put(share(), std::move(item)); }
  /// The same, for at most @p patience, which counts from the await; 0 or less: without waiting.
  /// @throws queue_full when it is over.
  [[nodiscard]] asio::awaitable<void> put(T item, duration patience) {
    return do_put_within(share(), std::move(item), patience);
  }
  /// put() of an item that is made of @p args, at the call.
  template <class... Args>
  [[nodiscard]] asio::awaitable<void> emplace(Args&&... args) {
    return do_put(share(), detail::made_of<T>(std::forward<Args>(args)...));
  }
  /// Adds an item without waiting.
  /// @throws queue_full if there is no room, queue_closed.
  void put_nowait(T item) {
    state& s = here();
    if (!s.has_room()) {
      if (s.is_closed()) detail::throw_queue_closed();
      detail::throw_queue_full();
    }
    s.push(std::move(item));
  }
  /// Adds an item if there is room and it is not closed. @returns whether it did; if not, @p item is
  /// untouched.
  bool try_put(T&& item) {
    state& s = here();
    if (!s.has_room()) return false;
    s.push(std::move(item));
    return true;
  }
  bool try_put(const T& item) {
    state& s = here();
    if (!s.has_room()) return false;
    s.push(item);
    return true;
  }

  /// Takes the first item; waits for one, behind those who have waited longer.
  /// @throws queue_closed once it is closed and empty, also if that happens meanwhile.
  [[nodiscard]] asio::awaitable<T> get() { return do_get(share()); }
  /// The same, for at most @p patience, which counts from the await; 0 or less: without waiting, if there are
  /// more items than gets that wait.
  /// @throws queue_empty when it is over.
  [[nodiscard]] asio::awaitable<T> get(duration patience) { return do_get_within(share(), patience); }
  /// Takes the first item without waiting.
  /// @throws queue_empty if there is none, queue_closed if there will be none any more.
  T get_nowait() {
    state& s = here();
    if (s.size() == 0) {
      if (s.is_closed()) detail::throw_queue_closed();
      detail::throw_queue_empty();
    }
    detail::queue_removal<T> remove_it(s);
    return std::move(s.front());
  }
  /// Takes the first item without waiting. @returns nullopt if there is none, closed or not.
  std::optional<T> try_get() {
    state& s = here();
    if (s.size() == 0) return std::nullopt;
    detail::queue_removal<T> remove_it(s);
    return std::optional<T>(std::in_place, std::move(s.front()));
  }

  /// @returns how many items it holds.
  std::size_t qsize() const { return here().size(); }
  /// @returns whether that is none: get_nowait() would throw.
  bool empty() const { return here().size() == 0; }
  /// @returns whether that is maxsize(). It takes no more either once it is closed.
  bool full() const { return here().size() == here().maxsize(); }
  /// @returns how many items it can hold; 0: any number.
  std::size_t maxsize() const {
    const std::size_t limit = here().maxsize();
    return limit == state::unbounded ? 0 : limit;
  }

  /// Says that the work on one item that was taken is done.
  /// @throws std::logic_error if it is called more often than items were added.
  void task_done() { here().task_done(); }
  /// Waits until task_done() has been called for every item that was ever added.
  [[nodiscard]] asio::awaitable<void> join() { return do_join(share()); }

  /// Takes no more items. Puts that wait fail with queue_closed now, gets once the items that are there have
  /// been taken. Closing it again does nothing.
  void close() { here().close(); }
  /// @returns whether close() was called.
  bool closed() const { return here().is_closed(); }

private:
  using state = detail::queue_state<T>;
  using reference = detail::queue_reference<state>;

  friend class detail::queue_selection;

  state& here() const {
    if (!state_.get()) detail::throw_queue_moved_from();
    return *state_;
  }
  reference share() const { return reference(&here()); }

  void drop() noexcept {
    if (!state_.get()) return;
    state_->abandon();
    state_->clear();
  }

  // With as little in them as can be: an operation that need not wait takes hardly more than its frame does.

  static asio::awaitable<void> do_put(reference s, T item) {
    if (s->can_put_at_once()) {
      s->push_at_once(std::move(item));
      co_return;
    }
    if (!s->can_put_now()) {
      detail::queue_operation rest(*s, detail::queue_line::put, duration::max(), std::addressof(item));
      while (!rest.over()) co_await rest.step();
      if (rest.was_done()) co_return;
    }
    s->push(std::move(item));
    s->renew();
  }

  static asio::awaitable<T> do_get(reference s) {
    if (s->can_get_at_once()) {
      detail::queue_removal<T, &state::pop_at_once> remove_it(*s);
      co_return std::move(s->front());
    }
    if (!s->can_get_now()) {
      detail::queue_operation rest(*s, detail::queue_line::get, duration::max());
      while (!rest.over()) co_await rest.step();
    }
    detail::queue_removal<T, &state::pop_and_renew> remove_it(*s);
    co_return std::move(s->front());
  }

  static asio::awaitable<void> do_put_within(reference s, T item, duration patience) {
    detail::queue_operation rest(*s, detail::queue_line::put, patience, std::addressof(item));
    while (!rest.over()) co_await rest.step();
    if (!rest.was_done()) s->push(std::move(item));
  }

  static asio::awaitable<T> do_get_within(reference s, duration patience) {
    detail::queue_operation rest(*s, detail::queue_line::get, patience);
    while (!rest.over()) co_await rest.step();
    detail::queue_removal<T> remove_it(*s);
    co_return std::move(s->front());
  }

  static asio::awaitable<void> do_join(reference s) {
    detail::queue_operation rest(*s, detail::queue_line::join, duration::max());
    while (!rest.over()) co_await rest.step();
  }

  reference state_;
};

} // namespace coproc
