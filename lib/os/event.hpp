#pragma once

#include "os/fd.hpp"

namespace coproc::os {

/// A descriptor that is readable from signal_event() until clear_event() (eventfd(2)): what a loop of any
/// process that has a copy can wait for.
/// @throws std::system_error naming @p what.
unique_fd make_event(const char* what);

void signal_event(int event) noexcept;
void clear_event(int event) noexcept;

/// @returns whether a descriptor that came from elsewhere is one.
bool is_event(int descriptor) noexcept;

} // namespace coproc::os
