#pragma once

#include "os/child_setup.hpp"
#include "os/launch.hpp"

#include <string>

namespace coproc::os {

/// @returns what could not be done, with its object: the step of @p plan at which the child failed.
std::string describe(const launch_plan& plan, const child_plan& outcome);

} // namespace coproc::os
