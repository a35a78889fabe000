#pragma once

#include <coproc/exit_status.hpp>
#include <coproc/resource_usage.hpp>

#include <optional>

namespace coproc::os {

/// How a process ended, and what it used; usage is empty if the status is unknown.
struct exit_record {
  exit_status status;
  std::optional<resource_usage> usage;
};

/// Looks whether a child has ended and, if so, reaps it. Never blocks (WNOHANG, also when its pidfd is
/// readable: a ptraced process or one under a leak checker is readable before it can be reaped).
/// @param pidfd or -1. @returns nullopt while it runs; a record with an unknown status if somebody else took
/// it.
std::optional<exit_record> try_reap(int pid, int pidfd) noexcept;

enum class presence {
  running,
  ended, ///< A zombie: its id, and that of the group that it leads, can't be given away.
  taken, ///< Somebody else has reaped it.
};

/// Looks, and reaps nothing.
presence look(int pid, int pidfd) noexcept;

/// @returns the id of a child of this process that has ended and was not reaped; 0 if there is none.
int ended_child() noexcept;

/// For a child that is on its way out by itself: tries for at most 100 ms. @returns whether it was reaped.
bool reap_soon(int pid, int pidfd) noexcept;

} // namespace coproc::os
