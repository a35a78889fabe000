#pragma once

namespace coproc::os {

/// Tells the process that made it from its forks, at the cost of reading a byte.
class fork_mark {
public:
  /// @throws std::system_error if there is no memory.
  fork_mark();
  fork_mark(const fork_mark&) = delete;
  ~fork_mark();

  /// @returns false in a fork of the process that made it (and true everywhere before Linux 4.14).
  bool is_original() const noexcept { return *mark_ != 0; }

private:
  volatile unsigned char* mark_; // its page is empty in a fork
};

} // namespace coproc::os
