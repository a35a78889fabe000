#pragma once

#include "files.hpp"
#include "finding.hpp"

#include <asio/awaitable.hpp>

#include <vector>

namespace tour {

/// What becomes of programs that misbehave: one that would never end, and one that does not exist.
asio::awaitable<std::vector<finding>> misbehave(const std::vector<file>& files);

} // namespace tour
