#pragma once

#include "files.hpp"

#include <asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tour {

class progress;

/// Counts the words (runs of letters, digits and underscores) of all files by a C++ function in child
/// processes, @p jobs of them at a time. @throws coproc::remote_error if a file can't be read.
asio::awaitable<std::uint64_t> count_words(const std::vector<file>& files, std::size_t jobs,
                                           progress& progress);

} // namespace tour
