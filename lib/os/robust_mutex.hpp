#pragma once

#include "os/futex.hpp"

#include <pthread.h>

namespace coproc::os {

/// A lock in shared memory, of which the kernel tells the next one who takes it that its owner has died
/// (pthread_mutexattr_setrobust(3)).
class robust_mutex {
public:
  enum class outcome {
    taken,
    inherited, ///< Taken; its owner died, maybe halfway through. repaired() is to follow before unlock().
    busy,
    broken, ///< Overwritten, or not repaired by somebody who got it.
  };

  /// Into memory that nobody else sees yet. @throws std::system_error.
  void initialise();

  outcome try_lock() noexcept { return outcome_of(::pthread_mutex_trylock(&mutex_)); }
  /// Sleeps for it. @returns busy when the deadline has passed.
  outcome lock(deadline until) noexcept;
  void repaired() noexcept { ::pthread_mutex_consistent(&mutex_); }
  void unlock() noexcept { ::pthread_mutex_unlock(&mutex_); }

private:
  static outcome outcome_of(int error) noexcept;

  ::pthread_mutex_t mutex_;
};

} // namespace coproc::os
