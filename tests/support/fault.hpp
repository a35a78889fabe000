#pragma once

#include "os/fault.hpp"

#include <cstddef>
#include <limits>

namespace coproc::test {

/// Makes a system call of the library fail while it lives. One at a time for each kind of call.
class fault {
public:
  static constexpr std::size_t always = std::numeric_limits<std::size_t>::max();

  /// The calls after the first @p skip ones fail with @p error, @p times times.
  fault(os::call which, int error, std::size_t times = always, std::size_t skip = 0);
  fault(const fault&) = delete;
  ~fault();

  /// @returns how many calls have failed: a test that injects a fault also checks that it struck.
  std::size_t hits() const;

private:
  os::call which_;
};

/// Counts the calls of one kind, of all threads, while it lives.
class counted_calls {
public:
  explicit counted_calls(os::call which) : which_(which), before_(so_far(which)) {}
  std::size_t count() const { return so_far(which_) - before_; }
  /// @returns how many there have been in this process.
  static std::size_t so_far(os::call which);

private:
  os::call which_;
  std::size_t before_;
};

/// Lets @p which transfer at most @p size bytes at once: short reads and short writes.
class short_transfers {
public:
  short_transfers(os::call which, std::size_t size);
  short_transfers(const short_transfers&) = delete;
  ~short_transfers();

private:
  os::call which_;
};

} // namespace coproc::test
