#pragma once

#include "support/co_test.hpp"
#include "support/sanitizers.hpp"

#include <cstddef>

namespace coproc::test {

/// Whether allocations() counts, and failing_allocation makes one fail: not with a sanitizer, which has an
/// allocator of its own.
#if defined(__GLIBC__) && !COPROC_TEST_SANITIZED
inline constexpr bool allocations_are_counted = true;
#else
inline constexpr bool allocations_are_counted = false;
#endif

/// @returns how often this thread has asked for memory, ever: malloc(), and all that comes down to it.
std::size_t allocations() noexcept;

/// In this scope, one request of this thread for memory finds none: a std::bad_alloc, or nullptr of malloc().
/// One at a time; none with a sanitizer.
class failing_allocation {
public:
  /// @param nth which, counted from here on; 1 is the next one.
  explicit failing_allocation(std::size_t nth) noexcept;
  failing_allocation(const failing_allocation&) = delete;
  ~failing_allocation();

  /// @returns whether it came to that.
  bool struck() const noexcept;

private:
  std::size_t at_;
};

} // namespace coproc::test
