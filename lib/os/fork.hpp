#pragma once

#include "os/launch.hpp"

#include <vector>

namespace coproc::os {

/// Forks this process (fork(2), as the C library offers it). @returns in the host the child, with pid -1 and
/// errno if there is none; pid 0 in the child.
launched fork_process() noexcept;

/// In the child: a process group of its own, default signal dispositions, an empty signal mask, and its
/// standard streams.
void begin_forked_child(const std::vector<redirect>& streams) noexcept;

/// Keeps what is opened meanwhile from getting the number of a standard stream that is closed.
class standard_numbers_taken {
public:
  standard_numbers_taken() noexcept;
  standard_numbers_taken(const standard_numbers_taken&) = delete;

private:
  unique_fd taken_[3];
};

} // namespace coproc::os
