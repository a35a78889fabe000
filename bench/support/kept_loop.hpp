#pragma once

#include "lanes.hpp"

namespace bench {

/// One loop for all runs of a program, as a service has: what the library keeps in it, it keeps.
inline asio::io_context& kept_loop() {
  static asio::io_context loop(1);
  return loop;
}

/// As run_lanes(), on kept_loop().
template <class Function>
outcome run_lanes_on_kept_loop(const workload& work, Function one) {
  asio::io_context& loop = kept_loop();
  loop.restart();
  std::exception_ptr failed;
  std::int64_t left = work.count;
  for (std::int64_t n = 0; n < work.width; ++n)
    asio::co_spawn(loop, lane(work, left, one), [&](std::exception_ptr e) {
      if (e) failed = e;
    });
  const auto begin = std::chrono::steady_clock::now();
  loop.run();
  const auto end = std::chrono::steady_clock::now();
  if (failed) std::rethrow_exception(failed);
  return {end - begin};
}

/// As run_alone(), on kept_loop().
template <class Function>
outcome run_alone_on_kept_loop(const workload& work, Function body) {
  asio::io_context& loop = kept_loop();
  loop.restart();
  std::exception_ptr failed;
  asio::co_spawn(loop, body(work), [&](std::exception_ptr e) { failed = e; });
  const auto begin = std::chrono::steady_clock::now();
  loop.run();
  const auto end = std::chrono::steady_clock::now();
  if (failed) std::rethrow_exception(failed);
  return {end - begin};
}

} // namespace bench
