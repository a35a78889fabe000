#pragma once

namespace coproc::os {

/// Tells the process that made it from its forks, whoever calls fork(3) for them: there it is a copy.
class fork_mark {
public:
  fork_mark() noexcept : generation_(current_generation()) {}

  /// @returns false in a fork of the process that made it.
  bool is_original() const noexcept { return generation_ == current_generation(); }

private:
  static unsigned current_generation() noexcept;

  unsigned generation_;
};

} // namespace coproc::os
