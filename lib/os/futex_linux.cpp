#include "os/futex.hpp"

#include <algorithm>
#include <climits>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace coproc::os {

namespace {

std::uint32_t* address_of(const futex_word& word) noexcept {
  return reinterpret_cast<std::uint32_t*>(const_cast<futex_word*>(&word));
}

/// Wakes all that sleep on @p sleepers and changes @p changed; then wakes all that sleep on that, too.
/// @returns whether the kernel did.
bool wake_op(const futex_word& sleepers, const futex_word& changed, int operation,
             std::uint32_t operand) noexcept {
  // The comparison, which decides about the second part of the wake-up, is of the old value: always true.
  const std::uint32_t code = FUTEX_OP(static_cast<std::uint32_t>(operation), operand, FUTEX_OP_CMP_NE, 0xfff);
  return ::syscall(SYS_futex, address_of(sleepers), FUTEX_WAKE_OP, INT_MAX, static_cast<long>(INT_MAX),
                   address_of(changed), code) >= 0;
}

} // namespace

void futex_wake(const futex_word& word) noexcept {
  ::syscall(SYS_futex, address_of(word), FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

void futex_wait(const futex_word& word, std::uint32_t expected, deadline until) noexcept {
  timespec end{};
  if (until != no_deadline) {
    using namespace std::chrono;
    const auto since = std::max<nanoseconds>(until.time_since_epoch(), nanoseconds::zero());
    end.tv_sec = duration_cast<seconds>(since).count();
    end.tv_nsec = (since % seconds(1)).count();
  }
  // std::chrono::steady_clock is CLOCK_MONOTONIC, which this operation measures by.
  ::syscall(SYS_futex, address_of(word), FUTEX_WAIT_BITSET, expected, until == no_deadline ? nullptr : &end,
            nullptr, FUTEX_BITSET_MATCH_ANY);
}

void futex_add_and_wake(futex_word& word, std::uint32_t amount) noexcept {
  word.fetch_add(0, std::memory_order_release); // the kernel's part is invisible to the thread sanitizer
  if (wake_op(word, word, FUTEX_OP_ADD, amount)) return;
  word.fetch_add(amount); // no such operation in this sandbox
  futex_wake(word);
}

void futex_set_and_wake(futex_word& word, std::uint32_t bits, futex_word& other) noexcept {
  word.fetch_or(0, std::memory_order_release);
  if (wake_op(other, word, FUTEX_OP_OR, bits)) return;
  word.fetch_or(bits);
  futex_wake(word);
  futex_wake(other);
}

} // namespace coproc::os
