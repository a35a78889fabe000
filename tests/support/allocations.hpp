#pragma once

#include "support/co_test.hpp"
#include "support/sanitizers.hpp"

#include <cstddef>

namespace coproc::test {

/// Whether allocations() counts: not with a sanitizer, which has an allocator of its own.
#if defined(__GLIBC__) && !COPROC_TEST_SANITIZED
inline constexpr bool allocations_are_counted = true;
#else
inline constexpr bool allocations_are_counted = false;
#endif

/// @returns how often this thread has asked for memory, ever: malloc(), and all that comes down to it.
std::size_t allocations() noexcept;

} // namespace coproc::test
