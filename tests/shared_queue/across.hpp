#pragma once

#include <coproc/shared_queue.hpp>

namespace coproc::test {

/// @returns another handle of @p queue, as if by another process: through the wire.
template <class T>
shared_queue<T> across(const shared_queue<T>& queue) {
  detail::message message;
  wire::encode(message, queue);
  return wire::decode<shared_queue<T>>(message);
}

} // namespace coproc::test
