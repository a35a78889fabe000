#pragma once

#include "finding.hpp"

#include <coproc/duration.hpp>

#include <asio/awaitable.hpp>

#include <string>

namespace tour {

/// What the shell says to a finding.
struct verdict {
  bool agrees = false;
  std::string printed;   ///< What the shell line printed,
  std::string complaint; ///< and on stderr.
  coproc::duration elapsed{};
};

/// Runs the shell line of @p found on @p directory.
asio::awaitable<verdict> ask_shell(const finding& found, std::string directory);

} // namespace tour
