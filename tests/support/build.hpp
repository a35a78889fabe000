#pragma once

#include "os/launch.hpp"

#include <unistd.h>

namespace coproc::test {

/// @returns whether the library was built to use pidfds (the option `pidfd`). Otherwise it never comes to the
/// system calls that have to do with them.
inline bool built_with_pidfd() { return static_cast<bool>(os::open_pidfd(::getpid())); }

} // namespace coproc::test
