#pragma once

#include <coproc/connection.hpp>

#include <utility>

namespace coproc {

/// Makes a two-way pipe for values.
/// @returns its two ends: what the first one sends the second receives, and the other way round.
/// @throws std::system_error if there is no descriptor left.
template <class Send, class Recv = Send>
std::pair<connection<Send, Recv>, connection<Recv, Send>> make_pipe() {
  wire::check<Send>();
  wire::check<Recv>();
  auto ends = detail::connection_core::make_pair();
  return {connection<Send, Recv>(std::move(ends.first)), connection<Recv, Send>(std::move(ends.second))};
}

} // namespace coproc
