#pragma once

#include <asio/error_code.hpp>

#include <string>
#include <system_error>

namespace coproc::os {

/// @returns @p number, an errno, in the category that compares equal to std::errc.
std::error_code errno_code(int number);

/// @throws std::system_error with what() "@p what: text of the error".
[[noreturn]] void throw_errno(int number, const std::string& what);

/// Asio 1.22 reports system errors in a category of its own, which does not compare equal to std::errc.
/// @returns @p error in the standard's category where it is an errno; asio::error::operation_aborted and eof
/// as they are.
std::error_code portable(const asio::error_code& error);

} // namespace coproc::os
