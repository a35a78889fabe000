#include "lanes.hpp"
#include "launch.hpp"
#include "raw.hpp"

#include <asio/posix/stream_descriptor.hpp>
#include <asio/redirect_error.hpp>
#include <asio/this_coro.hpp>

namespace bench::raw {

namespace {

asio::awaitable<void> one(const workload& work) {
  const launched child = launch({work.program});
  asio::posix::stream_descriptor watch(co_await asio::this_coro::executor, child.pidfd);
  co_await watch.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
  reap({child.pid, -1});
}

asio::awaitable<void> one_captured(const workload& work) {
  const auto executor = co_await asio::this_coro::executor;
  pipe_ends pipe;
  asio::posix::stream_descriptor out(executor, pipe.read);
  pipe.read = -1;
  const launched child = launch({work.program}, -1, pipe.write);
  pipe.close_write();
  asio::posix::stream_descriptor watch(executor, child.pidfd);

  char buffer[4096];
  asio::error_code error;
  while (!error)
    co_await out.async_read_some(asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, error));
  co_await watch.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
  reap({child.pid, -1});
}

} // namespace

outcome start_asio(const workload& work) { return run_lanes(work, one); }

outcome capture_asio(const workload& work) { return run_lanes(work, one_captured); }

outcome start_blocking(const workload& work) {
  const auto begin = std::chrono::steady_clock::now();
  for (std::int64_t n = 0; n < work.count; ++n) reap(launch({work.program}));
  return {std::chrono::steady_clock::now() - begin};
}

} // namespace bench::raw
