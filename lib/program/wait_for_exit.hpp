#pragma once

#include "program/child_state.hpp"

#include <coproc/duration.hpp>
#include <coproc/exit_status.hpp>

#include <asio/awaitable.hpp>

#include <memory>
#include <optional>

namespace coproc::detail {

/// Waits for the end of a child, for @p limit at most. @returns how it ended; nullopt if it has not.
/// **Cancellation**: terminal, partial and total; the child runs on.
asio::awaitable<std::optional<exit_status>> wait_for_exit(std::shared_ptr<child_state> child,
                                                          std::optional<duration> limit);

} // namespace coproc::detail
