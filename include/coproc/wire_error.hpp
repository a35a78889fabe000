#pragma once

#include <coproc/error.hpp>

namespace coproc::wire {

/// Bytes from another process are not what the type that is read from them is written as: truncated,
/// corrupted, or written as another type. Or a value can't be written: it is nested too deeply, or not of the
/// type that its pointer says. what() says what was expected.
class error : public coproc::error {
public:
  using coproc::error::error;
};

} // namespace coproc::wire
