#pragma once

#include <cstdint>

namespace coproc {

/// What command::limit() limits: setrlimit(2).
enum class resource {
  cpu,       ///< Seconds of CPU time (RLIMIT_CPU).
  memory,    ///< Bytes of address space (RLIMIT_AS).
  files,     ///< Open descriptors (RLIMIT_NOFILE).
  processes, ///< Processes and threads of the user (RLIMIT_NPROC).
  core,      ///< Bytes of a core file (RLIMIT_CORE).
  file_size, ///< Bytes of a file that it writes (RLIMIT_FSIZE).
  stack,     ///< Bytes of the main thread's stack (RLIMIT_STACK).
};

/// No limit (RLIM_INFINITY).
inline constexpr std::uint64_t unlimited = UINT64_MAX;

} // namespace coproc
