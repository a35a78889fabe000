#pragma once

#include <stdexcept>

namespace coproc {

/// The base of every exception that this library defines.
///
/// What is not one of them is either `std::system_error` (a system call failed: what() names the operation
/// and the object, code() compares equal to `std::errc`; or the operation was cancelled: code() equals
/// `asio::error::operation_aborted`), `std::invalid_argument` (a value that can't be used, at the call that
/// gave it) or `std::logic_error` (a use that the documentation forbids).
class error : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

} // namespace coproc
