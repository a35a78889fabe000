#pragma once

#include <coproc/command.hpp>

#include <asio/awaitable.hpp>

namespace coproc {

/// Runs a program as a shell would: standard streams and process group are the host's.
///
/// @returns exit_status::returncode().
/// @throws as run(). **Cancellation**: as run().
asio::awaitable<int> call(command program);

} // namespace coproc
