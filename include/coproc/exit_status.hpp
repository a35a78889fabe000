#pragma once

#include <optional>
#include <string>

namespace coproc {

/// How a process ended: it exited with a code, or a signal killed it.
///
/// A default-constructed status is empty; asking it anything but `==` is a `std::logic_error`.
class exit_status {
public:
  exit_status() = default;

  /// A process that called exit(@p code) or returned it from main; 0 to 255 on POSIX.
  static exit_status exited(int code);
  /// A process that @p signal killed; @p core_dumped says whether it left a core.
  static exit_status signaled(int signal, bool core_dumped = false);
  /// A process that is gone, and whose status somebody else took: see known().
  static exit_status unknown();

  /// @returns true if it exited with code 0.
  bool success() const;
  /// @returns the exit code; nullopt if a signal killed it or the status is unknown.
  std::optional<int> code() const;
  /// @returns the signal that killed it; nullopt otherwise.
  std::optional<int> signal() const;
  /// @returns true if a signal killed it and the kernel wrote a core.
  bool core_dumped() const;
  /// @returns false if the process is gone but its status is not to be had, because the host program ignores
  /// SIGCHLD, sets SA_NOCLDWAIT (sigaction(2)) or waits for every child itself. Not a success.
  bool known() const;
  /// @returns the code, or -signal, as Python's subprocess does; 255 if it is unknown, as asyncio does.
  int returncode() const;
  /// @returns "exited with code 3", "killed by SIGSEGV (core dumped)", "ended with an unknown status".
  std::string to_string() const;

  friend bool operator==(const exit_status&, const exit_status&) = default;

private:
  enum class kind : unsigned char { empty, exited, signaled, unknown };
  exit_status(kind k, int value, bool core) : value_(value), kind_(k), core_dumped_(core) {}
  kind checked() const;

  int value_ = 0;
  kind kind_ = kind::empty;
  bool core_dumped_ = false;
};

} // namespace coproc
