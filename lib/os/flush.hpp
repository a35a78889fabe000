#pragma once

namespace coproc::os {

/// Writes what all streams of C hold, as fflush(nullptr) does; but that waits until no other thread reads
/// from one of them, and this does not (glibc; elsewhere it is the same).
void flush_files() noexcept;

} // namespace coproc::os
