#pragma once

#include <cstddef>
#include <map>
#include <string>

namespace coproc::test {

/// What a test must leave as it found it.
struct process_state {
  std::map<int, std::string> descriptors; ///< Each with what it refers to.
  std::size_t threads;
};

process_state observe();

/// @returns whether the process has no child, reaped or not.
bool no_children();

/// Fails the test unless, after a bounded wait, no child is left and everything else is as in @p before.
/// While it waits it uses the library, since what outlived its execution context is reaped by any later
/// operation.
void check_nothing_left(const process_state& before);

/// check_nothing_left() at the end of a scope: for tests that are no coroutine.
class leak_check {
public:
  leak_check() : before_(observe()) {}
  leak_check(const leak_check&) = delete;
  ~leak_check() { check_nothing_left(before_); }

private:
  process_state before_;
};

} // namespace coproc::test
