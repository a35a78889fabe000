#pragma once

#include <coproc/command.hpp>
#include <coproc/completed.hpp>
#include <coproc/pipeline.hpp>

#include <asio/awaitable.hpp>

namespace coproc {

/// Runs a program to its end: starts it, feeds its input, drains stdout and stderr together, waits.
/// Unless the command says otherwise its stdin is /dev/null and both outputs are captured.
///
/// @returns its status and all it wrote. That it failed is no exception, unless the command says check().
/// @throws std::system_error as spawn(); called_process_error (check()), timeout_expired (timeout()),
/// output_limit (max_output()), each with what was captured so far.
/// **Cancellation**: terminal. Carries out the command's stop policy and completes, with `operation_aborted`,
/// when the child is reaped; a second cancellation meanwhile kills at once.
asio::awaitable<completed> run(command program);

/// Runs the stages of a pipeline at the same time, each one's stdout being the next one's stdin.
///
/// @returns all statuses; as for a single program otherwise. If one stage can't be started, those before it
/// are killed, and reaped later, and the exception is that stage's.
asio::awaitable<completed> run(pipeline stages);

} // namespace coproc
