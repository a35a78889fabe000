#pragma once

#include "contest.hpp"

#include <functional>

#include <sys/types.h>
#include <vector>

namespace bench {

/// Processes that work on something together, and are timed from the moment when all of them are ready to the
/// moment when the last one has finished.
class crowd {
public:
  crowd();
  ~crowd(); // kills who is left
  crowd(const crowd&) = delete;
  crowd& operator=(const crowd&) = delete;

  /// Forks one that calls @p get_ready, waits for all others, and calls @p work.
  void add(const std::function<void()>& get_ready, const std::function<void()>& work);
  void add(const std::function<void()>& work) {
    add([] {}, work);
  }

  /// @throws std::runtime_error if one of them failed.
  nanoseconds run();

private:
  std::vector<pid_t> members_;
  int gate_[2], ready_[2], done_[2];
};

} // namespace bench
