#pragma once

#include "support/fault.hpp"

#include <coproc/connection.hpp>
#include <coproc/make_pipe.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

/// Functions for child processes whose results can't be sent.
namespace coproc::test {

/// @returns descriptors, of which there can be too many.
inline std::vector<coproc::connection<int>> many_ends(std::size_t count) {
  std::vector<coproc::connection<int>> ends;
  while (ends.size() != count) ends.push_back(coproc::make_pipe<int>().first);
  return ends;
}

/// @returns what is sent by a packet, which fails so many times.
inline std::string fail_to_send(int error, std::size_t times) {
  static std::optional<fault> injected;
  injected.emplace(os::call::sendmsg, error, times);
  return std::string(100'000, 'x');
}

} // namespace coproc::test
