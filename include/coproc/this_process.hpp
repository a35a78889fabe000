#pragma once

#include <string>

namespace coproc {

/// The calling process, as the one that started it knows it.
struct this_process {
  /// @returns its process id.
  static int pid();
  /// @returns the id of the process that started it: for a child that runs a function the one whose
  /// process::start() it was, although the kernel's parent of a child of the fork server is that server.
  static int parent_pid();
  /// @returns the name that its process object has; "MainProcess" in a program that was not started by the
  /// library, as in Python.
  static const std::string& name();
};

} // namespace coproc
