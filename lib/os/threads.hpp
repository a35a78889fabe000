#pragma once

namespace coproc::os {

/// @returns whether the calling process has one thread only (proc(5), /proc/self/task), but for those of a
/// sanitizer.
bool is_single_threaded() noexcept;

/// @returns the process's umask, without changing it for a moment, as umask(2) would for all threads.
unsigned current_umask() noexcept;

} // namespace coproc::os
