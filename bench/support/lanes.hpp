#pragma once

#include "contest.hpp"

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>

#include <exception>

/// Standalone Asio's part, the same for raw and for coproc, so that they differ in what is measured alone.
namespace bench {

/// Runs one coroutine to its end on a fresh loop. @returns the time from the first step to the last.
template <class Function>
outcome run_alone(const workload& work, Function body) {
  asio::io_context context(1);
  std::exception_ptr failed;
  asio::co_spawn(context, body(work), [&](std::exception_ptr e) { failed = e; });
  const auto begin = std::chrono::steady_clock::now();
  context.run();
  const auto end = std::chrono::steady_clock::now();
  if (failed) std::rethrow_exception(failed);
  return {end - begin};
}

template <class Function>
asio::awaitable<void> lane(const workload& work, std::int64_t& left, Function one) {
  while (left > 0) {
    --left;
    co_await one(work);
  }
}

/// Does `one` `work.count` times, `work.width` of them in flight at any time.
template <class Function>
outcome run_lanes(const workload& work, Function one) {
  asio::io_context context(1);
  std::exception_ptr failed;
  std::int64_t left = work.count;
  for (std::int64_t n = 0; n < work.width; ++n)
    asio::co_spawn(context, lane(work, left, one), [&](std::exception_ptr e) {
      if (e) failed = e;
    });
  const auto begin = std::chrono::steady_clock::now();
  context.run();
  const auto end = std::chrono::steady_clock::now();
  if (failed) std::rethrow_exception(failed);
  return {end - begin};
}

} // namespace bench
