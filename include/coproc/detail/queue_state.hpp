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
    if (size() == capacity_) grow();
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
    std::destroy_at(slots_ + slot_of(taken()));
    if (count_taken()) admit();
  }
  void pop_and_renew() noexcept {
    pop();
    renew();
  }
  /// The same; can_get_at_once().
  void pop_at_once() noexcept {
    std::destroy_at(slots_ + slot_of(taken()));
    count_taken_at_once();
  }

  /// Finds out what can be done at once.
  void renew() noexcept { queue_core::renew(capacity_); }

  /// Removes all.
  void clear() noexcept {
    slot* slots = std::exchange(slots_, nullptr);
    const std::size_t capacity = std::exchange(capacity_, 0);
    const std::size_t first = taken(), count = size();
    count_all_taken();
    if (!slots) return;
    for (std::size_t i = 0; i != count; ++i) std::destroy_at(slots + ((first + i) & (capacity - 1)));
    std::allocator<slot>().deallocate(slots, capacity);
  }

private:
  /// Items whose move may fail are kept by pointer: the ring could not grow without risking them.
  static constexpr bool boxed = !std::is_nothrow_move_constructible_v<T>;
  using slot = std::conditional_t<boxed, std::unique_ptr<T>, T>;

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
    slot* larger = std::allocator<slot>().allocate(capacity);
    for (std::size_t at = taken(); at != added(); ++at) {
      slot* from = slots_ + slot_of(at);
      std::construct_at(larger + (at & (capacity - 1)), std::move(*from));
      std::destroy_at(from);
    }
    if (slots_) std::allocator<slot>().deallocate(slots_, capacity_);
    slots_ = larger;
    capacity_ = capacity;
  }

  std::size_t first_capacity() const noexcept {
    std::size_t capacity = 1;
    while (capacity < 16 && capacity < maxsize_) capacity *= 2;
    return capacity;
  }

  slot* slots_ = nullptr;
  std::size_t capacity_ = 0; ///< The number of slots: 0 or a power of two.
  const std::size_t maxsize_;
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
