#include "os/memory.hpp"

#include <cstdint>

#include <sys/mman.h>

namespace coproc::os {

void expect_to_be_filled(void* memory, std::size_t size) noexcept {
#ifdef MADV_HUGEPAGE
  constexpr std::uintptr_t huge = 2u << 20;
  std::uintptr_t begin = (reinterpret_cast<std::uintptr_t>(memory) + huge - 1) & ~(huge - 1);
  std::uintptr_t end = (reinterpret_cast<std::uintptr_t>(memory) + size) & ~(huge - 1);
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#else
  (void)memory, (void)size;
#endif
}

} // namespace coproc::os
