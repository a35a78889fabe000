#pragma once

#include <coproc/error.hpp>

namespace coproc {

/// There was no room: at once, for the forms that do not wait, or within the time that a put was given.
/// Nothing was added; trying again is fine.
class queue_full : public error {
public:
  using error::error;
};

} // namespace coproc
