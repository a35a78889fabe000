#pragma once

namespace coproc {

/// How a child process for a function comes into being.
///
/// No child gets rights that the host does not have: of a set-user-ID program, or one with capabilities, that
/// has given up what it got by them, the children of forkserver and spawn can't gain any by an exec
/// (PR_SET_NO_NEW_PRIVS, prctl(2)), since they execute the same file.
enum class start_method {
  /// A helper, started once for each execution context and single-threaded, forks the children: they begin as
  /// the program was when its main() began, at the price of a fork of a small process, however large the host
  /// has become and however many threads it has. Until the next start the helper stays in the working
  /// directory that the host had at the last one. Users, groups and capabilities are the host's: for a host
  /// that has given up rights another helper is started. Resource limits, niceness, CPU affinity, root
  /// directory and namespaces are those that the host had when the helper was started. The default on Linux.
  forkserver,
  /// Each child executes the program's file anew (the very file, also if it has been deleted or replaced
  /// since). The default elsewhere, and where forkserver finds that the program's static initialisers start
  /// threads.
  spawn,
  /// The host itself is forked: the child has a copy of its memory, and takes any callable. The price grows
  /// with the host's memory. Only the thread that forks is there in the child: a lock that another one held
  /// (the standard library's and the allocator's excepted, fork(2), pthread_atfork(3)) stays locked for ever.
  /// Signals have their default effect; an asio::signal_set gets none that the host has one for, since Asio
  /// counts the host's, too. Handles in the copy do not touch the host's children. For hosts of one thread.
  fork,
};

} // namespace coproc
