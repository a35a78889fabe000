#pragma once

#include <coproc/error.hpp>

namespace coproc {

/// The queue was closed: it takes no more items, or it has none left to give. Trying again gives the same.
class queue_closed : public error {
public:
  using error::error;
};

} // namespace coproc
