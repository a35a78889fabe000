#pragma once

#include <coproc/error.hpp>

namespace coproc {

/// The other end of a connection is closed, and everything that it had sent has been received; or this end
/// was closed.
class connection_closed : public error {
public:
  using error::error;
};

} // namespace coproc
