#pragma once

#include "lanes.hpp"
#include "stall.hpp"

#include <asio/post.hpp>

namespace bench {

/// A handler that posts itself until the watch is stopped.
struct ticker {
  asio::io_context& context;
  turn_watch& watch;

  void operator()() const {
    watch.turn();
    if (!watch.stopped) asio::post(context, *this);
  }
};

template <class Function>
asio::awaitable<void> stall_lane(const workload& work, turn_watch& watch, Function one) {
  for (std::int64_t n = 0; n < work.count; ++n) {
    watch.begin();
    co_await one(work);
    watch.end();
  }
  watch.stopped = true;
}

/// Does `one` `work.count` times while a handler turns the loop for ever.
template <class Function>
outcome run_stall(const workload& work, Function one) {
  asio::io_context context(1);
  turn_watch watch;
  std::exception_ptr failed;
  asio::co_spawn(context, stall_lane(work, watch, one), [&](std::exception_ptr e) {
    failed = e;
    watch.stopped = true;
  });
  asio::post(context, ticker{context, watch});
  context.run();
  if (failed) std::rethrow_exception(failed);
  return watch.result();
}

} // namespace bench
