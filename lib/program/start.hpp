#pragma once

#include <coproc/command.hpp>

#include "os/fd.hpp"
#include "program/child_state.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include <memory>

namespace coproc::detail {

/// What a command means where it leaves a choice open.
struct start_defaults {
  stdio in;
  stdio out;
  stdio err;
  bool host_group = false; ///< call(): in the host's process group even if stdin is not inherited.
  /// stdin and stdout of an inner stage of a pipeline, in place of what the command says; -1: as it says.
  int pipe_in = -1;
  int pipe_out = -1;
  /// The longest that it may run, besides the command's own timeout.
  std::optional<duration> timeout;
  /// That of the other stages of a pipeline.
  std::shared_ptr<child_mutex> mutex = nullptr;
};

/// What comes before start(), which never suspends: lets everything run that is ready, if that is due.
/// @returns the executor of the coroutine that awaits it.
asio::awaitable<asio::any_io_executor> begin_start();

/// Starts a program. The bytes of stdio::bytes() are pending in its input stream: whoever starts it feeds
/// them.
/// @throws std::system_error as spawn().
std::shared_ptr<child_state> start(const asio::any_io_executor& executor, command program,
                                   const start_defaults& defaults);

} // namespace coproc::detail
