#pragma once

#include <asio/awaitable.hpp>

#include <string>
#include <vector>

namespace coproc::test {

/// @returns the letter of /proc/PID/stat: R, S, T (stopped), Z (zombie); '-' if there is no such process.
char process_state_of(int pid);

/// @returns whether it is there and is no zombie.
bool alive(int pid);

/// Waits until a process, which need not be a child, has ended.
asio::awaitable<void> end_of(int pid);

/// Kills a grandchild at the end of the scope: also a test that is cut short leaves none behind.
class killed_at_end {
public:
  explicit killed_at_end(int pid) : pid_(pid) {}
  killed_at_end(const killed_at_end&) = delete;
  ~killed_at_end();

private:
  int pid_;
};

/// Waits until a child is in @p state: stopping and continuing have no event that a parent's pidfd shows.
asio::awaitable<void> until_state(int pid, char state);

/// @returns @p text split at each @p separator, which also ends the last piece.
std::vector<std::string> split(const std::string& text, char separator);

/// The same, at line ends; as numbers.
std::vector<long long> numbers(const std::string& text);

} // namespace coproc::test
