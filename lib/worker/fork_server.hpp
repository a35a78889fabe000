#pragma once

#include "os/fd.hpp"

namespace coproc::detail {

/// The life of the fork server: a process of one thread that was executed at its host's first need of it, and
/// whose memory is what the program had when its main() began. Forks a child for each start_request, and
/// reports how each ended. Ends with the host, or with the host's event loop, as soon as its children have
/// ended (which they do then, but for detached ones).
///
/// It uses fork(2) as the C library offers it: after a bare clone(2) glibc's idea of the thread's id would be
/// the parent's, and robust mutexes would take the wrong owner.
[[noreturn]] void serve_forks(os::unique_fd socket, int host) noexcept;

} // namespace coproc::detail
