#pragma once

#include "os/fd.hpp"

namespace coproc::os {

/// Ties the life of one process to that of another by a pipe: the one that is to live on holds the write end,
/// and the kernel kills the holder of the read end when the last copy of that is closed, in whatever way.
///
/// Unlike PR_SET_PDEATHSIG that does not depend on a thread (which has its own end), nor on who the parent
/// is; and unlike a thread that waits for an end of file it costs the other process nothing and can't be
/// starved.
struct lifeline {
  unique_fd keep; ///< For the one to be watched.
  unique_fd hold; ///< For the one that is to die with it.
};

/// Both are close-on-exec. @throws std::system_error naming @p what.
lifeline make_lifeline(const char* what);

/// Has the calling process killed (SIGKILL) when the other end of @p hold is closed, or at once if it has
/// been (F_SETSIG, O_ASYNC, fcntl(2)). The descriptor stays open. @returns 0 or an errno.
int die_with(int hold) noexcept;

/// @returns @p fd, with a higher number than @p hold if one is free: whoever closes all descriptors does it
/// from the lowest on.
unique_fd closed_after(int hold, unique_fd fd) noexcept;

} // namespace coproc::os
