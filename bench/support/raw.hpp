#pragma once

#include "contest.hpp"

/// The same work with system calls and standalone Asio alone. Each says what it leaves out.
namespace bench::raw {

/// A lane for each of `width` children in flight: launch(), the pidfd in a posix::stream_descriptor, waitid.
outcome start_asio(const workload&);
/// launch() and a blocking waitid: one at a time, no loop. What the kernel alone costs.
outcome start_blocking(const workload&);
/// start_asio with a pipe for stdout, which is read to its end first.
outcome capture_asio(const workload&);

/// A plain read() loop over a pipe of the default size, or of 1 MiB.
outcome read_loop_64k(const workload&);
outcome read_loop_1m(const workload&);
/// async_read_some on a posix::stream_descriptor, from a pipe of the default size, or of 1 MiB.
outcome read_asio_64k(const workload&);
outcome read_asio_1m(const workload&);

/// read() into a buffer, and memchr over it.
outcome lines_memchr(const workload&);
/// C getline().
outcome lines_getline(const workload&);
/// Asio's async_read_until with a string.
outcome lines_read_until(const workload&);
/// No program and no pipe: awaits as many coroutines that hand out a copy of one line in memory. What any
/// read_line that is an awaitable has to pay before it has found a line.
outcome lines_nothing(const workload&);

/// A poll() loop over two pipes, with a buffer that realloc grows. @param pipe_size as F_SETPIPE_SZ, 0:
/// default.
outcome communicate_64k(const workload&);
outcome communicate_1m(const workload&);

/// start_asio's start beside a handler that posts itself for ever.
outcome stall_asio(const workload&);
/// The handler alone, with no start at all: what the machine adds.
outcome stall_idle(const workload&);

} // namespace bench::raw
