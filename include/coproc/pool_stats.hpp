#pragma once

#include <cstddef>

namespace coproc {

/// What a pool is doing, and has done. Tasks are counted, and the items of map() and its like; not chunks.
struct pool_stats {
  std::size_t workers = 0;   ///< Processes that are up.
  std::size_t idle = 0;      ///< Of these, without work.
  std::size_t queued = 0;    ///< Tasks and programs that wait for a slot.
  std::size_t running = 0;   ///< Slots in use: tasks and programs that run; never more than the pool's size.
  std::size_t completed = 0; ///< Have given a result.
  std::size_t failed = 0;    ///< Have thrown, timed out, or lost their worker, or could not be started.
  std::size_t cancelled = 0; ///< Nobody wanted them any more.
  std::size_t restarted =
      0; ///< Workers that were started in place of one that died, was killed, or had done its share.
};

} // namespace coproc
