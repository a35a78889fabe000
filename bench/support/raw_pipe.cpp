#include "lanes.hpp"
#include "launch.hpp"
#include "raw.hpp"

#include <asio/posix/stream_descriptor.hpp>
#include <asio/redirect_error.hpp>
#include <asio/this_coro.hpp>

#include <cerrno>
#include <stdexcept>
#include <unistd.h>

namespace bench::raw {

namespace {

std::vector<std::string> emit_bytes(const workload& work) {
  return {work.program, "bytes", std::to_string(work.count)};
}

void check(const workload& work, std::int64_t total) {
  if (total != work.count) throw std::runtime_error("not all bytes came");
}

outcome read_loop(const workload& work, int pipe_size) {
  std::vector<char> buffer(static_cast<std::size_t>(work.width));
  const auto begin = std::chrono::steady_clock::now();
  pipe_ends pipe(pipe_size);
  const launched child = launch(emit_bytes(work), -1, pipe.write);
  pipe.close_write();
  std::int64_t total = 0;
  for (;;) {
    const ssize_t n = ::read(pipe.read, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    total += n;
  }
  const auto end = std::chrono::steady_clock::now();
  reap(child);
  check(work, total);
  return {end - begin};
}

template <int PipeSize>
asio::awaitable<void> read_asio(const workload& work) {
  const auto executor = co_await asio::this_coro::executor;
  std::vector<char> buffer(static_cast<std::size_t>(work.width));
  pipe_ends pipe(PipeSize);
  asio::posix::stream_descriptor out(executor, pipe.read);
  pipe.read = -1;
  const launched child = launch(emit_bytes(work), -1, pipe.write);
  pipe.close_write();
  std::int64_t total = 0;
  asio::error_code error;
  while (!error) {
    const std::size_t n =
        co_await out.async_read_some(asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, error));
    total += static_cast<std::int64_t>(n);
  }
  reap(child);
  check(work, total);
}

} // namespace

outcome read_loop_64k(const workload& work) { return read_loop(work, 0); }
outcome read_loop_1m(const workload& work) { return read_loop(work, 1 << 20); }
outcome read_asio_64k(const workload& work) { return run_alone(work, read_asio<0>); }
outcome read_asio_1m(const workload& work) { return run_alone(work, read_asio<(1 << 20)>); }

} // namespace bench::raw
