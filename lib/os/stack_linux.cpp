#include "os/stack.hpp"

#include <cstddef>

#include <pthread.h>

namespace coproc::os {

namespace {

struct extent {
  std::uintptr_t lowest = 0;
  std::uintptr_t size = 0;
  bool has(std::uintptr_t at) const noexcept { return at >= lowest && at - lowest < size; }
};

// pthread_getattr_np(3); for the main thread it looks into /proc, and takes RLIMIT_STACK for the size.
extent stack_of_this_thread() noexcept {
  pthread_attr_t attributes;
  if (::pthread_getattr_np(::pthread_self(), &attributes) != 0) return {};
  void* lowest = nullptr;
  std::size_t size = 0;
  const bool known = ::pthread_attr_getstack(&attributes, &lowest, &size) == 0;
  ::pthread_attr_destroy(&attributes);
  return known ? extent{reinterpret_cast<std::uintptr_t>(lowest), size} : extent{};
}

} // namespace

std::uintptr_t end_of_stack(std::uintptr_t at) noexcept {
  thread_local constinit extent known;
  if (known.size == 0) known = stack_of_this_thread();
  return known.has(at) ? known.lowest : 0;
}

} // namespace coproc::os
