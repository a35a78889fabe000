#pragma once

#include <coproc/error.hpp>

namespace coproc {

/// A function can't be run in a child process: `init` was not called, the fork server can't be had, or the
/// child does not have the code that it was to run. what() says what to do about it.
class bootstrap_error : public error {
public:
  using error::error;
};

} // namespace coproc
