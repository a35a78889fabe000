#pragma once

#include <coproc/error.hpp>

namespace coproc {

/// The pool was terminated, or destroyed, before this task was finished.
class pool_terminated : public error {
public:
  pool_terminated();
};

} // namespace coproc
