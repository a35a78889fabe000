#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace coproc::os {

using deadline = std::chrono::steady_clock::time_point;
inline constexpr deadline no_deadline = deadline::max();

/// A word in shared memory that processes can sleep on (futex(2)).
using futex_word = std::atomic<std::uint32_t>;
static_assert(futex_word::is_always_lock_free && sizeof(futex_word) == 4);

/// Sleeps as long as @p word is @p expected, until it is woken or the deadline has passed; also wakes for no
/// reason.
void futex_wait(const futex_word& word, std::uint32_t expected, deadline until) noexcept;

/// Wakes all that sleep on @p word.
void futex_wake(const futex_word& word) noexcept;

/// Adds @p amount (below 2048) to @p word and wakes all that sleep on it. The kernel does both in one step,
/// which even SIGKILL cannot part: either the word is as before, or everybody has been woken.
void futex_add_and_wake(futex_word& word, std::uint32_t amount) noexcept;

/// Sets @p bits (below 2048) in @p word, and wakes all that sleep on it and on @p other, in one such step.
void futex_set_and_wake(futex_word& word, std::uint32_t bits, futex_word& other) noexcept;

} // namespace coproc::os
