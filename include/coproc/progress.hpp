#pragma once

#include <cstddef>

namespace coproc {

/// How far something has come: all of a pool's tasks, or the items of one map().
struct progress {
  std::size_t completed = 0; ///< Have given a result.
  std::size_t failed = 0;    ///< Have ended without one.
  std::size_t total = 0;     ///< Known so far; of a map() over a range with a size, all.

  /// @returns how many are finished, one way or the other.
  std::size_t done() const noexcept { return completed + failed; }
};

} // namespace coproc
