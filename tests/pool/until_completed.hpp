#pragma once

#include <coproc/pool.hpp>

#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>

#include <cstddef>

namespace coproc::test {

/// Waits until more has been completed, and is there before on_progress, or who waits for a result, hears of
/// it.
inline asio::awaitable<void> until_completed(coproc::pool& workers, std::size_t count) {
  while (workers.stats().completed < count) co_await asio::post(asio::use_awaitable);
}

} // namespace coproc::test
