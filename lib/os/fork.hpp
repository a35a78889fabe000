#pragma once

#include "os/launch.hpp"

#include <vector>

namespace coproc::os {

/// Forks this process (fork(2), as the C library offers it); the child leads a process group of its own.
/// @returns in the parent the child, with pid -1 and errno if there is none; pid 0 in the child.
launched fork_process() noexcept;
/// The same in a host, where the child finds the list of host_fd whole. All signals are blocked in the child,
/// until begin_forked_child().
launched fork_host() noexcept;
/// @returns whether this process is a child of that: it runs a function, and none of the host's loops, whose
/// mutexes may have been held by threads that it does not have.
bool is_forked_child() noexcept;

/// In the child of a host: default signal dispositions, an empty signal mask, and its standard streams.
/// @returns 0, or an errno if one of them can't be had; one whose source is closed is closed.
int begin_forked_child(const std::vector<redirect>& streams) noexcept;

/// In a child: makes @p source its standard stream @p number, 0 to 2, and closes it under its own number;
/// with an empty one the stream is closed.
void set_standard_stream(int number, unique_fd source) noexcept;

/// Keeps what is opened meanwhile from getting the number of a standard stream that is closed.
class standard_numbers_taken {
public:
  standard_numbers_taken() noexcept;
  standard_numbers_taken(const standard_numbers_taken&) = delete;

private:
  unique_fd taken_[3];
};

} // namespace coproc::os
