#include "support/allocations.hpp"

#include <cerrno>
#include <cstdlib>

namespace coproc::test {

namespace {
thread_local std::size_t count = 0;
thread_local std::size_t failing = 0; // the count of the one that is to fail; 0: none
} // namespace

std::size_t allocations() noexcept { return count; }

failing_allocation::failing_allocation(std::size_t nth) noexcept : at_(count + nth) { failing = at_; }
failing_allocation::~failing_allocation() { failing = 0; }
bool failing_allocation::struck() const noexcept { return count >= at_; }

} // namespace coproc::test

#if defined(__GLIBC__) && !COPROC_TEST_SANITIZED
// The functions below come before those of the C library, whose free() takes what they return.

namespace {
bool has_memory() noexcept {
  using namespace coproc::test;
  if (++count != failing) return true;
  errno = ENOMEM;
  return false;
}
} // namespace

extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

void* malloc(std::size_t size) noexcept { return has_memory() ? __libc_malloc(size) : nullptr; }
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  return has_memory() ? __libc_memalign(alignment, size) : nullptr;
}
}
#endif
