#pragma once

#include <string>

/// What the build found; an empty path means that it was not there.
namespace bench::config {

extern const std::string tiny;   ///< A static program of a few instructions.
extern const std::string emit;   ///< Writes bytes or lines as fast as it can.
extern const std::string peers;  ///< The folder of the scripts.
extern const std::string python; ///< The interpreter.
extern const std::string node;   ///< The interpreter.
extern const std::string go_peer;
extern const std::string uv_peer;

} // namespace bench::config
