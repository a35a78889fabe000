#pragma once

#include <chrono>

namespace coproc {

/// The unit of every timeout, grace period and elapsed time of the library. Any std::chrono duration that
/// loses nothing converts to it: `5s`, `250ms`.
using duration = std::chrono::steady_clock::duration;

} // namespace coproc
