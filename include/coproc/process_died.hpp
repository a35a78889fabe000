#pragma once

#include <coproc/error.hpp>
#include <coproc/exit_status.hpp>

#include <string>

namespace coproc {

/// A child process ended without a result: it called exit() or _exit(), or was killed.
class process_died : public error {
public:
  /// @param name of the process. @param end how it ended.
  process_died(const std::string& name, exit_status end);

  exit_status status; ///< How it ended.
};

} // namespace coproc
