#pragma once

#include <coproc/detail/process_core.hpp>
#include <coproc/remote_error.hpp>

#include "os/fd.hpp"
#include "os/launch.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace coproc::detail {

/// Whether a child says `ready` before it calls its target.
enum class announce { no, yes };

/// Which streams a child flushes at its end.
enum class at_end { flush_all, flush_standard };

/// The life of a child that was given a target: receives the call, makes it, sends what comes of it, and ends
/// the process. @param parent the id of the process that this_process::parent_pid() is to name.
[[noreturn]] void run_call(os::unique_fd channel, int parent, const std::string& name, announce how) noexcept;

/// A call whose code has been found.
struct received_call {
  const void* code; ///< Its entry_point.
  std::span<const std::byte> arguments;
  message* from; ///< Owns the bytes and the descriptors of the arguments.
};

/// The same for a call that was received before.
[[noreturn]] void make_call(os::unique_fd channel, int parent, const std::string& name,
                            const received_call& call) noexcept;

/// The same for what is already in memory, after a fork of the host.
[[noreturn]] void run_forked(os::unique_fd channel, int parent, const std::string& name,
                             const std::function<void(message&)>& body) noexcept;

/// @param error what send_message() has returned for the result of a call.
/// @returns false if nobody wants it: the host is gone or has dropped its handle, or the target has closed
/// the channel.
/// @throws what tells why it can't be sent: the host has to hear that in its place.
bool outcome_sent(int error);

/// Adds the exception that is being handled, and what caused it.
void describe_current(std::vector<remote_error::exception>& chain);

/// What has been printed to standard output is there. Errors are left to the stream.
void flush_output() noexcept;

/// Begins a child that was forked from the host. Ends it if it can't have its standard streams.
void begin_forked(const std::vector<os::redirect>& streams) noexcept;

/// Dies with the holder of the other end of @p lifeline, which stays open for as long as the process lives.
/// Ends the process if that can't be arranged.
/// @param channel gets a higher number than that: when the child is detached its queue holds the other end,
/// so a target that closes all descriptors, as daemons do from the lowest on, has to close @p lifeline first.
void hold_lifeline(os::unique_fd lifeline, os::unique_fd& channel) noexcept;

} // namespace coproc::detail
