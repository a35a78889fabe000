#pragma once

#include <string>
#include <vector>

namespace coproc::os {

/// @returns the words of @p line as wordexp(3) finds them; commands are not substituted.
/// @throws std::invalid_argument naming the line and what is wrong with it.
std::vector<std::string> split_words(const std::string& line);

} // namespace coproc::os
