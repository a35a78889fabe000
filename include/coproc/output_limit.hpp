#pragma once

#include <coproc/error.hpp>
#include <coproc/exit_status.hpp>

#include <cstddef>
#include <string>

namespace coproc {

/// A program wrote more than command::max_output() to a captured stream; it has been stopped and reaped.
class output_limit : public error {
public:
  output_limit(std::string command, std::size_t limit, exit_status status, std::string out, std::string err);

  std::string command; ///< As command::to_string().
  std::size_t limit;   ///< In bytes, per stream.
  exit_status status;  ///< What the stop led to.
  std::string out;     ///< stdout up to the limit.
  std::string err;     ///< stderr up to the limit.
};

} // namespace coproc
