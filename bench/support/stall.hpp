#pragma once

#include "contest.hpp"

#include <algorithm>
#include <chrono>
#include <vector>

namespace bench {

/// How long a loop did not turn. Of no Asio in particular: `post` is a function that posts one.
class turn_watch {
public:
  using clock = std::chrono::steady_clock;

  /// Called once a turn of the loop.
  void turn() {
    const auto now = clock::now();
    longest_ = std::max(longest_, now - last_);
    last_ = now;
  }
  /// A program is about to be started.
  void begin() {
    last_ = clock::now();
    longest_ = {};
  }
  /// It has ended: notes the longest time between two turns since begin().
  void end() {
    turn();
    gaps_.push_back(longest_);
  }

  /// @returns `count` times the median, and the 99th percentile.
  outcome result() {
    std::sort(gaps_.begin(), gaps_.end());
    const auto count = gaps_.size();
    return {gaps_[count / 2] * static_cast<std::int64_t>(count),
            gaps_[std::min(count - 1, count * 99 / 100)]};
  }

  bool stopped = false; ///< Tells the handler that posts itself to end.

private:
  clock::time_point last_ = clock::now();
  clock::duration longest_{};
  std::vector<clock::duration> gaps_;
};

} // namespace bench
