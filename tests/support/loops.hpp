#pragma once

#include <coproc/child.hpp>

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>

#include <exception>
#include <optional>

namespace coproc::test {

// For tests whose subject is the loop itself, which CO_TEST keeps to itself.

/// Runs a coroutine on @p loop, to the end of all work. @returns what it threw.
std::exception_ptr run_on(asio::io_context& loop, asio::awaitable<void> body);

/// Starts a child into a handle that outlives the loop.
asio::awaitable<void> start_into(std::optional<child>& target, command program);

} // namespace coproc::test
