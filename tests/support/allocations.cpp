#include "support/allocations.hpp"

#include <cstdlib>

namespace coproc::test {

namespace {
thread_local std::size_t count = 0;
} // namespace

std::size_t allocations() noexcept { return count; }

} // namespace coproc::test

#if defined(__GLIBC__) && !COPROC_TEST_SANITIZED
// These come before those of the C library, whose free() takes what they return.
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

void* malloc(std::size_t size) noexcept {
  ++coproc::test::count;
  return __libc_malloc(size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  ++coproc::test::count;
  return __libc_memalign(alignment, size);
}
}
#endif
