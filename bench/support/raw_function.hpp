#pragma once

#include "contest.hpp"

/// Child processes of this very program, by system calls alone.
namespace bench::raw {

/// For a child that is not executed anew: what else the program has open, the pipes to its peers above all,
/// would stay open for as long as the child lives.
void close_all_but(int fd);

/// Forks the server that ask_fork_server() asks. To be called while the process is small.
void start_fork_server();
/// Asks for a child, gets its id, and then its status; blocking, one at a time.
outcome ask_fork_server(const workload&);
/// fork() of the host, and waitpid().
outcome fork_and_wait(const workload&);
/// vfork() and exec of the program's own file, which main() ends at once.
outcome reexec_and_wait(const workload&);
/// To be called first in main(): ends a child of reexec_and_wait().
void end_if_reexecuted(int argc, char** argv);

/// An echo in a child: 64 bytes there and back over a SOCK_SEQPACKET pair, the host's end in Asio.
outcome echo_asio(const workload&);
/// A child that sends; the host receives in Asio. `width` bytes a packet.
outcome receive_asio(const workload&);
/// memcpy of `width` bytes to memory that was never touched, as a copy in another process is.
outcome copy(const workload&);

} // namespace bench::raw
