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

  T& front() noexcept { return slots_[head_]; }

  /// Adds an item; has_room().
  template <class... Args>
  void push(Args&&... args) {
    append(std::forward<Args>(args)...);
    added();
  }

  /// Removes the first item, which has been moved from, and lets in who waits for the room.
  void pop() noexcept {
    std::destroy_at(slots_ + head_);
    head_ = (head_ + 1) & mask_;
    if (removed()) admit();
  }

  /// Removes all.
  void clear() noexcept {
    std::size_t count = drain();
    T* slots = std::exchange(slots_, nullptr);
    const std::size_t mask = std::exchange(mask_, 0);
    std::size_t at = std::exchange(head_, 0);
    if (!slots) return;
    for (; count != 0; --count, at = (at + 1) & mask) std::destroy_at(slots + at);
    std::allocator<T>().deallocate(slots, mask + 1);
  }

private:
  void admit() noexcept {
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
    if (!slots_ || size() > mask_) grow();
    std::construct_at(slots_ + ((head_ + size()) & mask_), std::forward<Args>(args)...);
  }

  void grow() {
    const std::size_t capacity = slots_ ? (mask_ + 1) * 2 : first_capacity();
    T* larger = std::allocator<T>().allocate(capacity);
    std::size_t moved = 0;
    try {
      for (; moved != size(); ++moved)
        std::construct_at(larger + moved, std::move_if_noexcept(slots_[(head_ + moved) & mask_]));
    } catch (...) {
      std::destroy_n(larger, moved);
      std::allocator<T>().deallocate(larger, capacity);
      throw;
    }
    for (std::size_t i = 0; i != size(); ++i) std::destroy_at(slots_ + ((head_ + i) & mask_));
    if (slots_) std::allocator<T>().deallocate(slots_, mask_ + 1);
    slots_ = larger;
    mask_ = capacity - 1;
    head_ = 0;
  }

  std::size_t first_capacity() const noexcept {
    std::size_t capacity = 1;
    while (capacity < 16 && capacity < maxsize_) capacity *= 2;
    return capacity;
  }

  T* slots_ = nullptr;
  std::size_t mask_ = 0; ///< One less than the number of slots, a power of two.
  std::size_t head_ = 0;
  const std::size_t maxsize_;
};

/// Takes the first item of a queue out when it is destroyed: after it has been moved to the result of a
/// coroutine, and only if that worked.
template <class T>
class queue_removal {
public:
  explicit queue_removal(queue_state<T>& state) noexcept : state_(state) {
    if constexpr (!std::is_nothrow_move_constructible_v<T>) exceptions_ = std::uncaught_exceptions();
  }
  queue_removal(const queue_removal&) = delete;
  ~queue_removal() {
    if constexpr (!std::is_nothrow_move_constructible_v<T>)
      if (std::uncaught_exceptions() != exceptions_) return;
    state_.pop();
  }

private:
  queue_state<T>& state_;
  int exceptions_ = 0;
};

} // namespace coproc::detail
