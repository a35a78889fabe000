#pragma once

#include "files.hpp"

#include <asio/awaitable.hpp>

#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tour {

class crew;
class progress;

/// What the programs found out about the files.
struct results {
  std::vector<std::pair<std::string, std::uint64_t>> sums; ///< Each file's SHA-256 and size, in no order.
  std::string repeated_sums;    ///< Those of more than one file, a line each, sorted.
  std::uint64_t compressed = 0; ///< Bytes, by gzip -1, each file by itself.
  std::uint64_t lines = 0;
  std::uint64_t words = 0; ///< By count_words().
  std::unordered_map<std::string, std::uint64_t>
      includes; ///< `<header>` to the number of lines that include it.
};

/// What every include directive with angle brackets matches, as an extended regular expression.
inline constexpr const char* include_pattern = "^[[:space:]]*#[[:space:]]*include[[:space:]]*<[^>]*>";

/// Inspects @p files, with as many programs at the same time as the crew has places.
/// @p files has to stay as it is until then.
/// @throws the first failure of a program; the others have been stopped then.
asio::awaitable<results> gather(const std::vector<file>& files, crew& crew, progress& progress);

} // namespace tour
