#pragma once

namespace coproc::os {

/// Sends a signal to one process, by its pidfd where there is one: never to another one that got its id.
/// Without a pidfd the caller sees to it that the process has not been reaped.
/// @returns 0 or an errno.
int signal_process(int pid, int pidfd, int number) noexcept;

/// Sends a signal to the process group that @p pid leads. The caller sees to it that the leader has not been
/// reaped, which keeps the group's id from being given away.
/// @returns 0 or an errno.
int signal_group(int pid, int pidfd, int number) noexcept;

/// @returns whether no process has this id. It may be given away again, which takes its time.
bool is_free_id(int pid) noexcept;

/// @returns whether the calling process ignores a signal.
bool is_ignored(int number) noexcept;

/// @returns whether a process that was made to lead a group is still in it.
bool leads_its_group(int pid) noexcept;

} // namespace coproc::os
