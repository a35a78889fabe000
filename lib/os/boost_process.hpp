#pragma once

#include <string>
#include <vector>

namespace coproc::os {

// What the library takes from Boost.Process v2, without a Boost type: only boost_process.cpp sees those.

/// @returns the host's environment, "NAME=value". Not safe against a concurrent setenv(3).
std::vector<std::string> host_environment();

} // namespace coproc::os
