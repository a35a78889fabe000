#pragma once

#include <coproc/error.hpp>
#include <coproc/exit_status.hpp>

#include <string>

namespace coproc {

/// A program that had to succeed did not: command::check(), check_output().
/// what() names the command and the status, and ends with the tail of stderr.
class called_process_error : public error {
public:
  called_process_error(std::string command, exit_status status, std::string out, std::string err);

  std::string command; ///< As command::to_string().
  exit_status status;
  std::string out; ///< All of stdout, if it was captured.
  std::string err; ///< All of stderr, if it was captured.
};

} // namespace coproc
