#pragma once

#include "program/exchange.hpp"
#include "program/start.hpp"

#include <coproc/pipeline.hpp>

namespace coproc::detail {

/// Awaits an exchange.
asio::awaitable<exchange_result> follow(std::shared_ptr<exchange> operation);

enum class checking { as_command_says, always };

/// Starts a program and follows it to its end; throws what the command asks for. A cancellation stops it.
asio::awaitable<completed> run_to_end(command program, start_defaults defaults, checking check);
asio::awaitable<completed> run_to_end(pipeline stages, start_defaults defaults, checking check);

/// @throws timeout_expired or output_limit if that is what came of it.
template <class Program>
void throw_unless_ended(exchange_result& result, const Program& program);

} // namespace coproc::detail
