#include "os/robust_mutex.hpp"

#include "os/error.hpp"

#include <algorithm>
#include <cerrno>

#include <time.h>

namespace coproc::os {

void robust_mutex::initialise() {
  pthread_mutexattr_t attributes;
  int error = ::pthread_mutexattr_init(&attributes);
  if (!error) {
    error = ::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (!error) error = ::pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    if (!error) error = ::pthread_mutex_init(&mutex_, &attributes);
    ::pthread_mutexattr_destroy(&attributes);
  }
  if (error) throw_errno(error, "make a lock in shared memory");
}

robust_mutex::outcome robust_mutex::outcome_of(int error) noexcept {
  switch (error) {
  case 0:
    return outcome::taken;
  case EOWNERDEAD:
    return outcome::inherited;
  case EBUSY:
  case ETIMEDOUT:
    return outcome::busy;
  default:
    return outcome::broken;
  }
}

robust_mutex::outcome robust_mutex::lock(deadline until) noexcept {
  if (until == no_deadline) return outcome_of(::pthread_mutex_lock(&mutex_));
  // POSIX waits by the clock that can be set. In small steps, so that setting it does little harm.
  for (;;) {
    using namespace std::chrono;
    const auto left = until - steady_clock::now();
    const nanoseconds step = std::clamp<nanoseconds>(left, nanoseconds::zero(), milliseconds(500));
    timespec end{};
    ::clock_gettime(CLOCK_REALTIME, &end);
    const nanoseconds sum = step + nanoseconds(end.tv_nsec);
    end.tv_sec += duration_cast<seconds>(sum).count();
    end.tv_nsec = (sum % seconds(1)).count();
    const outcome result = outcome_of(::pthread_mutex_timedlock(&mutex_, &end));
    if (result != outcome::busy || step == left || left <= nanoseconds::zero()) return result;
  }
}

} // namespace coproc::os
