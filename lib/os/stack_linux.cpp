#include "os/stack.hpp"

#include <cstddef>

#include <pthread.h>

namespace coproc::os {

// pthread_getattr_np(3); for the main thread it looks into /proc, and takes RLIMIT_STACK for the size.
std::uintptr_t end_of_stack(std::uintptr_t at) noexcept {
  pthread_attr_t attributes;
  if (::pthread_getattr_np(::pthread_self(), &attributes) != 0) return 0;
  void* lowest = nullptr;
  std::size_t size = 0;
  const bool known = ::pthread_attr_getstack(&attributes, &lowest, &size) == 0;
  ::pthread_attr_destroy(&attributes);
  const auto end = reinterpret_cast<std::uintptr_t>(lowest);
  return known && at >= end && at - end < size ? end : 0;
}

} // namespace coproc::os
