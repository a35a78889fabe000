#pragma once

#include <coproc/command.hpp>
#include <coproc/pipeline.hpp>

#include <asio/awaitable.hpp>

#include <string>

namespace coproc {

/// Runs a program that has to succeed. Its stdin is /dev/null and its stderr the host's, unless the command
/// says otherwise.
///
/// @returns its stdout.
/// @throws called_process_error unless it succeeds; otherwise as run(). **Cancellation**: as run().
asio::awaitable<std::string> check_output(command program);
/// The same for a pipeline: every stage has to succeed.
asio::awaitable<std::string> check_output(pipeline stages);

} // namespace coproc
