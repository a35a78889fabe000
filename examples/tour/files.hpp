#pragma once

#include <asio/awaitable.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tour {

class crew;
class progress;

struct file {
  std::string path;
  std::uint64_t size = 0;
};

/// Some files that one program is given at a time.
using batch = std::span<const file>;

/// Lists the readable files below @p directory, in find's order, while find is still walking.
asio::awaitable<std::vector<file>> list_files(std::string directory, crew& crew, progress& progress);

/// Cuts @p files into pieces that a program gets through in a moment, and whose names fit on a command line.
std::vector<batch> batches_of(const std::vector<file>& files);

/// @returns the names, each followed by a NUL byte: the one thing that no name can contain.
std::string names_of(batch files);

} // namespace tour
