#pragma once

#include <coproc/child.hpp>

namespace coproc {

/// Starts a program, with all three standard streams inherited unless the command says otherwise.
///
/// The calling thread is held until the program is being executed (vfork(2)); the cost does not grow with the
/// host's memory. Safe in a program with any number of threads.
///
/// @returns a handle to it, when the program is being executed.
/// @throws std::system_error if it can't be started; what() names the program and the step that failed
/// (`spawn 'nslookp': No such file or directory`). Nothing is left behind.
/// **Cancellation**: one that comes before the start is seen by the await; there is none in the middle.
asio::awaitable<child> spawn(command program);

} // namespace coproc
