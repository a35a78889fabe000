#pragma once

#include <coproc/error.hpp>

namespace coproc {

/// A pool was asked to run something after pool::close() or pool::terminate().
class pool_closed : public error {
public:
  pool_closed();
};

} // namespace coproc
