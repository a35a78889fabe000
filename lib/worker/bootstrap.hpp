#pragma once

#include <string>

namespace coproc::detail {

/// What init() was told, and what the process is to this library. There is one main() in a process, so this
/// is one of the few things that are global.
struct process_identity {
  bool initialized = false; ///< init() was called.
  std::string program;      ///< argv[0].
  std::string name = "MainProcess";
  int parent = 0; ///< 0: the kernel's.
};

process_identity& identity();

/// @throws bootstrap_error that says what to add, if init() was not called.
void require_init(const std::string& process);

} // namespace coproc::detail
