#pragma once

#include <coproc/error.hpp>

namespace coproc {

/// There was nothing to take: at once, for the forms that do not wait, or within the time that a get was
/// given. Nothing was taken; trying again is fine.
class queue_empty : public error {
public:
  using error::error;
};

} // namespace coproc
