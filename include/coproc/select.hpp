#pragma once

#include <coproc/detail/queue_core.hpp>
#include <coproc/duration.hpp>
#include <coproc/queue.hpp>

#include <asio/awaitable.hpp>

#include <cstddef>
#include <tuple>
#include <utility>
#include <variant>

namespace coproc {

namespace detail {

/// What select() needs of its queues.
class queue_selection {
  template <class... T>
  class removal;

public:
  template <class T>
  static queue_reference<queue_state<T>> share(const queue<T>& from) {
    return from.share();
  }

  template <class... T>
  using references = std::tuple<queue_reference<queue_state<T>>...>;

  template <class... T>
  static asio::awaitable<std::variant<T...>> run(references<T...> queues, duration patience) {
    constexpr std::size_t count = sizeof...(T);
    queue_core* cores[count];
    fill(cores, queues, std::index_sequence_for<T...>());

    // Each is bound; the first, which is in front of whoever selects, also counts the operation.
    queue_waiter waiter;
    for (queue_core* core : cores) {
      if (!core->is_check_due()) continue;
      waiter.allow(patience);
      const queue_step next = next_step(cores, count, patience);
      co_await core->check_in(next);
    }

    std::size_t chosen = find(cores, count, patience);
    if (chosen == count) {
      for (const queue_core* core : cores) core->check_alive();
      if (patience <= duration::zero() && !all_drained(cores, count)) throw_queue_expired(queue_line::get);
      queue_place places[count];
      for (std::size_t i = 0; i != count; ++i) places[i].core = cores[i];
      waiter.allow(patience);
      do {
        if (all_drained(cores, count)) throw_queue_closed();
        co_await waiter.wait(places, count);
        waiter.rethrow();
        if (waiter.result() == queue_waiter::outcome::expired) throw_queue_expired(queue_line::get);
        if (waiter.result() == queue_waiter::outcome::closed) throw_queue_closed();
        chosen = static_cast<std::size_t>(waiter.chosen() - places);
        if (cores[chosen]->size() == 0) chosen = find(cores, count, patience); // it was taken by get_nowait()
      } while (chosen == count);
    }
    cores[0]->set_turn(chosen + 1);
    co_return removal<T...>(queues, chosen);
  }

private:
  template <class References, std::size_t... I>
  static void fill(queue_core** cores, References& queues, std::index_sequence<I...>) {
    ((cores[I] = std::get<I>(queues).get()), ...);
  }

  /// Becomes the result of the coroutine in its place: an item whose move throws is still in its queue then,
  /// and not in a variant on the way.
  template <class... T>
  class removal {
  public:
    removal(references<T...>& queues, std::size_t chosen) noexcept : queues_(queues), chosen_(chosen) {}
    removal(const removal&) = delete;
    operator std::variant<T...>() && { return take<0>(); }

  private:
    template <std::size_t I>
    std::variant<T...> take() {
      if constexpr (I + 1 < sizeof...(T))
        if (chosen_ != I) return take<I + 1>();
      auto& state = *std::get<I>(queues_);
      queue_removal<std::variant_alternative_t<I, std::variant<T...>>> remove_it(state);
      return std::variant<T...>(std::in_place_index<I>, std::move(state.front()));
    }

    references<T...>& queues_;
    std::size_t chosen_;
  };

  /// @returns the next that has an item, after the one that was chosen last; @p count: none has.
  static std::size_t find(queue_core** cores, std::size_t count, duration patience) noexcept {
    for (std::size_t i = 0; i != count; ++i) {
      const std::size_t at = (cores[0]->turn() + i) % count;
      if (patience <= duration::zero() ? cores[at]->can_spare() : cores[at]->can_take()) return at;
    }
    return count;
  }

  static queue_step next_step(queue_core** cores, std::size_t count, duration patience) noexcept {
    const bool waits = patience > duration::zero() && !all_drained(cores, count);
    return waits && find(cores, count, patience) == count ? queue_step::wait : queue_step::go_on;
  }

  static bool all_drained(queue_core** cores, std::size_t count) noexcept {
    for (std::size_t i = 0; i != count; ++i)
      if (cores[i]->size() != 0 || !cores[i]->is_closed()) return false;
    return true;
  }
};

} // namespace detail

/// Takes an item from exactly one of several queues, from whichever has one first; waits for one, in each
/// queue behind those who have waited longer.
///
/// If several have one, they take turns, so that a queue that is always full keeps no other from being
/// served. A closed queue counts until its items have been taken; then select() waits for the others.
/// @returns the item, at the index of its queue: `std::get<1>(result)` comes from the second.
/// @throws queue_closed once all are closed and empty.
/// **Cancellation**: as queue::get(): nothing is taken from any of them.
/// **Destruction** of any of the queues: `operation_aborted`.
///
/// Beside other operations, Asio's `||` makes one flat variant of all alternatives: those of select() come
/// first, each with an index of its own. For a limit in time take the form below.
template <class... T>
[[nodiscard]] asio::awaitable<std::variant<T...>> select(queue<T>&... queues) {
  static_assert(sizeof...(T) != 0, "coproc::select(): at least one queue");
  return detail::queue_selection::run<T...>({detail::queue_selection::share(queues)...}, duration::max());
}

/// The same, for at most @p patience, which counts from the await; 0 or less: without waiting.
/// @throws queue_empty when it is over.
template <class... T>
[[nodiscard]] asio::awaitable<std::variant<T...>> select(duration patience, queue<T>&... queues) {
  static_assert(sizeof...(T) != 0, "coproc::select(): at least one queue");
  return detail::queue_selection::run<T...>({detail::queue_selection::share(queues)...}, patience);
}

} // namespace coproc
