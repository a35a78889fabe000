#pragma once

#include <coproc/duration.hpp>

#include <cstddef>
#include <cstdint>

namespace coproc {

/// What a process, and those of its descendants that it waited for, used: getrusage(2), as wait4(2) reports
/// it.
///
/// On Linux max_rss_bytes is never below the largest resident set that the host had had when the child was
/// started: the child is in the host's memory until its exec, and the kernel counts that (the high-water mark
/// of the memory that execve(2) replaces stays on record). A small child of a large host shows the host's.
struct resource_usage {
  duration user{};                                ///< CPU time in user mode.
  duration system{};                              ///< CPU time in the kernel.
  std::size_t max_rss_bytes = 0;                  ///< Largest resident set of one of them, in bytes.
  std::uint64_t minor_faults = 0;                 ///< Page faults that needed no I/O.
  std::uint64_t major_faults = 0;                 ///< Page faults that did.
  std::uint64_t voluntary_context_switches = 0;   ///< Times it gave up the CPU to wait.
  std::uint64_t involuntary_context_switches = 0; ///< Times the CPU was taken away.
};

} // namespace coproc
