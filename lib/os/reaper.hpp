#pragma once

#include "os/launch.hpp"

namespace coproc::os {

/// Takes over a child that nobody waits for and no execution context follows any more: a detached one, or one
/// that outlived its context. Any later operation of the library reaps it. Thread-safe.
///
/// Such children belong to the process, and to nothing smaller: their list is the library's only global
/// state.
void reap_later(launched child) noexcept;

/// Reaps those that have ended; a glance at a counter if there are none. Thread-safe.
void reap_orphans() noexcept;

} // namespace coproc::os
