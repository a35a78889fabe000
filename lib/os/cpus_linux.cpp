#include "os/cpus.hpp"

#include <cerrno>

#include <sched.h>
#include <unistd.h>

namespace coproc::os {

std::size_t usable_cpus() noexcept {
  // The set has to be as large as the kernel's own, whatever that is.
  for (int cpus = 1024; cpus <= 1024 * 1024; cpus *= 2) {
    cpu_set_t* set = CPU_ALLOC(static_cast<std::size_t>(cpus));
    if (!set) break;
    const std::size_t size = CPU_ALLOC_SIZE(static_cast<std::size_t>(cpus));
    const int failed = ::sched_getaffinity(0, size, set);
    const int error = errno;
    const int count = failed == 0 ? CPU_COUNT_S(size, set) : 0;
    CPU_FREE(set);
    if (count > 0) return static_cast<std::size_t>(count);
    if (error != EINVAL) break;
  }
  const long online = ::sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? static_cast<std::size_t>(online) : 1;
}

} // namespace coproc::os
