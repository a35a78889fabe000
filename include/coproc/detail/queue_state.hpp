#pragma once

#include <coproc/detail/queue_core.hpp>

#include <asio/this_coro.hpp>

#include <cstddef>
#include <exception>
#include <limits>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace coproc::detail {

/// The items of a queue: a ring that grows, up to the capacity where there is one, and is then used again and
/// again.
template <class T>
class queue_state final : public queue_core {
public:
  static constexpr std::size_t unbounded = std::numeric_limits<std::size_t>::max();

  explicit queue_state(std::size_t limit) noexcept : queue_core(limit), maxsize_(limit) {}
  ~queue_state() override { clear(); }

  std::size_t maxsize() const noexcept { return maxsize_; }

  T& front() noexcept {
    slot& first = slots_[slot_of(taken())];
    if constexpr (boxed)
      return *first;
    else
      return first;
  }

  /// Adds an item; has_room().
  template <class... Args>
  void push(Args&&... args) {
    while (added() - vacated() == capacity_) grow(); // again if destructors have filled it
    will_add(); // first: there may be no memory to tell who waits for the item
    append(std::forward<Args>(args)...);
    count_added();
  }
  /// The same; can_put_at_once().
  template <class... Args>
  void push_at_once(Args&&... args) {
    append(std::forward<Args>(args)...);
    count_added();
  }

  /// Removes the first item, which has been moved from, and lets in who waits for the room.
  void pop() noexcept {
    slot* first = slots_ + slot_of(taken());
    const bool others = count_taken();
    vacate(first);
    if (others) admit();
  }
  void pop_and_renew() noexcept {
    pop();
    renew();
  }
  /// The same; can_get_at_once().
  void pop_at_once() noexcept {
    slot* first = slots_ + slot_of(taken());
    count_taken_at_once();
    vacate(first);
  }

  /// Finds out what can be done at once.
  void renew() noexcept { queue_core::renew(capacity_ - (taken() - vacated())); }

  /// Removes all.
  void clear() noexcept {
    const std::size_t first = taken(), end = added();
    const bool in_use = vacated() != first;
    count_all_taken();
    for (std::size_t at = first; at != end; ++at) std::destroy_at(slots_ + slot_of(at));
    if (in_use) return; // the memory goes with this
    vacated_ = end;
    if (slots_) std::allocator<slot>().deallocate(slots_, capacity_);
    slots_ = nullptr;
    capacity_ = 0;
  }

private:
  /// Items whose move may fail are kept by pointer: the ring could not grow without risking them.
  static constexpr bool boxed = !std::is_nothrow_move_constructible_v<T>;
  using slot = std::conditional_t<boxed, std::unique_ptr<T>, T>;

  static constexpr bool destructor_runs = !std::is_trivially_destructible_v<slot>;

  /// Slots in which a destructor still ran when the ring grew.
  struct outgrown {
    outgrown() noexcept = default;
    outgrown(const outgrown&) = delete;
    ~outgrown() {
      if (slots) std::allocator<slot>().deallocate(slots, capacity);
    }

    slot* slots = nullptr;
    std::size_t capacity = 0;
    std::unique_ptr<outgrown> next;
  };

  /// @returns the first item whose slot is in use: taken(), or one before whose destructor runs.
  std::size_t vacated() const noexcept {
    if constexpr (destructor_runs)
      return vacated_;
    else
      return taken();
  }

  /// Destroys what is left of the item that was the last to be counted as taken. Its destructor may use the
  /// queue: the item is out of it, but its slot is in use.
  void vacate(slot* first) noexcept {
    if constexpr (destructor_runs) {
      const bool outermost = vacated_ + 1 == taken();
      std::destroy_at(first);
      if (!outermost) return;
      vacated_ = taken();
      if (outgrown_) outgrown_.reset();
    }
  }

  [[gnu::noinline]] void admit() noexcept {
    while (has_room()) {
      queue_place* place = next_put();
      if (!place) break;
      std::exception_ptr error;
      try {
        push(std::move(*static_cast<T*>(place->item)));
      } catch (...) {
        error = std::current_exception();
      }
      accepted(*place, std::move(error));
    }
    took_note();
  }

  template <class... Args>
  void append(Args&&... args) {
    slot* place = slots_ + slot_of(added());
    if constexpr (boxed)
      std::construct_at(place, std::make_unique<T>(std::forward<Args>(args)...));
    else
      std::construct_at(place, std::forward<Args>(args)...);
  }

  std::size_t slot_of(std::size_t item) const noexcept { return item & (capacity_ - 1); }

  [[gnu::noinline]] void grow() {
    const std::size_t capacity = capacity_ ? capacity_ * 2 : first_capacity();
    std::unique_ptr<outgrown> old = std::make_unique<outgrown>();
    slot* larger = std::allocator<slot>().allocate(capacity);
    const std::size_t first = taken(), end = added();
    for (std::size_t at = first; at != end; ++at)
      std::construct_at(larger + (at & (capacity - 1)), std::move(slots_[slot_of(at)]));
    old->slots = std::exchange(slots_, larger);
    old->capacity = std::exchange(capacity_, capacity);
    for (std::size_t at = first; at != end; ++at) std::destroy_at(old->slots + (at & (old->capacity - 1)));
    if (vacated() == taken()) return;
    old->next = std::move(outgrown_);
    outgrown_ = std::move(old);
  }

  std::size_t first_capacity() const noexcept {
    std::size_t capacity = 1;
    while (capacity < 16 && capacity < maxsize_) capacity *= 2;
    return capacity;
  }

  slot* slots_ = nullptr;
  std::size_t capacity_ = 0; ///< The number of slots: 0 or a power of two.
  const std::size_t maxsize_;
  std::size_t vacated_ = 0; ///< See vacated(), unless destructors do nothing.
  std::unique_ptr<outgrown> outgrown_;
};

/// Takes the first item of a queue out, by @p Pop, when it is destroyed: after it has been moved to the
/// result of a coroutine, and only if that worked.
template <class T, auto Pop = &queue_state<T>::pop>
class queue_removal {
public:
  explicit queue_removal(queue_state<T>& state) noexcept : state_(state) {
    if constexpr (!std::is_nothrow_move_constructible_v<T>) exceptions_ = std::uncaught_exceptions();
  }
  queue_removal(const queue_removal&) = delete;
  ~queue_removal() {
    if constexpr (!std::is_nothrow_move_constructible_v<T>)
      if (std::uncaught_exceptions() != exceptions_) return;
    (state_.*Pop)();
  }

private:
  queue_state<T>& state_;
  int exceptions_ = 0;
};

} // namespace coproc::detail
