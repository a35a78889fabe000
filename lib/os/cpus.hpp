#pragma once

#include <cstddef>

namespace coproc::os {

/// @returns how many CPUs this process may use (sched_getaffinity(2)); at least 1.
std::size_t usable_cpus() noexcept;

} // namespace coproc::os
