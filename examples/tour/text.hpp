#pragma once

#include <coproc/duration.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tour {

/// @returns a number with a comma after every three digits: "26,074".
std::string grouped(std::uint64_t number);

/// @returns "1 file", "26,074 files".
std::string counted(std::uint64_t number, std::string_view noun);

/// @returns a size that is easy to read: "612 bytes", "3.1 MB".
std::string readable_bytes(std::uint64_t bytes);

/// @returns "0.52 s".
std::string seconds(coproc::duration time);

/// @returns @p ratio with @p decimals digits after the point.
std::string decimal(double ratio, int decimals);

/// @returns @p text, filled up with spaces on its left or right to @p width characters.
std::string padded_left(std::string text, std::size_t width);
std::string padded_right(std::string text, std::size_t width); ///< As above.

/// @returns @p name with what would disturb a terminal (control characters) shown as `?`.
std::string printable(std::string_view name);

/// @returns the records of @p text, each of which ends in @p terminator (the last one may lack it).
std::vector<std::string_view> split(std::string_view text, char terminator);

} // namespace tour
