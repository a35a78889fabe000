#pragma once

#include "contest.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace bench {

/// The contestants for a question that live in a process of their own: Python, Node, Go, libuv, tokio, as far
/// as they are installed. Each is started once, and told over a pipe what to do; it measures by its own
/// clock, so that the way there costs nothing.
std::vector<contestant> peers(std::string_view question);

/// One "name version" for each peer that was started, for the description of the machine.
std::vector<std::pair<std::string, std::string>> peer_versions();

} // namespace bench
