#pragma once

#include "files.hpp"
#include "finding.hpp"
#include "gather.hpp"

#include <vector>

namespace tour {

/// Says what was found out, beside the shell pipeline that finds out the same.
std::vector<finding> findings_of(const std::vector<file>& files, const results& found);

} // namespace tour
