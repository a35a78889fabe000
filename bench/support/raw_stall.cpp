#include "launch.hpp"
#include "raw.hpp"
#include "stall_asio.hpp"

#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>

namespace bench::raw {

namespace {

asio::awaitable<void> start(const workload& work) {
  const launched child = launch({work.program});
  asio::posix::stream_descriptor watch(co_await asio::this_coro::executor, child.pidfd);
  co_await watch.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
  reap({child.pid, -1});
}

asio::awaitable<void> idle(const workload&) {
  // About as long as a start of /bin/true, so that as many interrupts fall into it.
  asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::microseconds(500));
  co_await timer.async_wait(asio::use_awaitable);
}

} // namespace

outcome stall_asio(const workload& work) { return run_stall(work, start); }
outcome stall_idle(const workload& work) { return run_stall(work, idle); }

} // namespace bench::raw
