#include "lanes.hpp"
#include "launch.hpp"
#include "raw.hpp"

#include <asio/buffer.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/read_until.hpp>
#include <asio/redirect_error.hpp>
#include <asio/this_coro.hpp>

#include <benchmark/benchmark.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <unistd.h>

namespace bench::raw {

namespace {

std::vector<std::string> emit_lines(const workload& work) {
  return {work.program, "lines", std::to_string(work.count), std::to_string(work.width)};
}

void check(const workload& work, std::int64_t lines, std::int64_t bytes) {
  if (lines != work.count || bytes != work.count * (work.width - 1))
    throw std::runtime_error("not all lines came whole");
}

asio::awaitable<void> read_until(const workload& work) {
  const auto executor = co_await asio::this_coro::executor;
  pipe_ends pipe;
  asio::posix::stream_descriptor out(executor, pipe.read);
  pipe.read = -1;
  const launched child = launch(emit_lines(work), -1, pipe.write);
  pipe.close_write();
  std::string text;
  std::int64_t lines = 0, bytes = 0;
  for (asio::error_code error;;) {
    const std::size_t n = co_await asio::async_read_until(out, asio::dynamic_buffer(text), '\n',
                                                          asio::redirect_error(asio::use_awaitable, error));
    if (error) break;
    ++lines;
    bytes += static_cast<std::int64_t>(n - 1);
    text.erase(0, n);
  }
  reap(child);
  check(work, lines, bytes);
}

asio::awaitable<std::optional<std::string>> hand_out(std::string_view line) { co_return line; }

asio::awaitable<void> await_nothing(const workload& work) {
  const std::string text(static_cast<std::size_t>(work.width - 1), 'x');
  for (std::int64_t n = 0; n < work.count; ++n) {
    std::string_view view = text;
    benchmark::DoNotOptimize(view); // its length is not known, as a line's is not
    auto line = co_await hand_out(view);
    benchmark::DoNotOptimize(line);
  }
}

} // namespace

outcome lines_memchr(const workload& work) {
  const auto begin = std::chrono::steady_clock::now();
  pipe_ends pipe;
  const launched child = launch(emit_lines(work), -1, pipe.write);
  pipe.close_write();
  std::vector<char> buffer(65536 + static_cast<std::size_t>(work.width));
  std::int64_t lines = 0, bytes = 0;
  std::size_t kept = 0;
  for (;;) {
    const ssize_t n = ::read(pipe.read, buffer.data() + kept, buffer.size() - kept);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    const char* at = buffer.data();
    const char* const end = at + kept + static_cast<std::size_t>(n);
    while (const void* found = std::memchr(at, '\n', static_cast<std::size_t>(end - at))) {
      std::string_view line(at, static_cast<std::size_t>(static_cast<const char*>(found) - at));
      benchmark::DoNotOptimize(line);
      ++lines;
      bytes += static_cast<std::int64_t>(line.size());
      at = static_cast<const char*>(found) + 1;
    }
    kept = static_cast<std::size_t>(end - at);
    std::memmove(buffer.data(), at, kept);
  }
  const auto end = std::chrono::steady_clock::now();
  reap(child);
  check(work, lines, bytes);
  return {end - begin};
}

outcome lines_getline(const workload& work) {
  const auto begin = std::chrono::steady_clock::now();
  pipe_ends pipe;
  const launched child = launch(emit_lines(work), -1, pipe.write);
  pipe.close_write();
  std::FILE* in = ::fdopen(pipe.read, "r");
  pipe.read = -1;
  char* line = nullptr;
  std::size_t capacity = 0;
  std::int64_t lines = 0, bytes = 0;
  for (ssize_t n; (n = ::getline(&line, &capacity, in)) > 0;) {
    benchmark::DoNotOptimize(line);
    ++lines;
    bytes += n - 1;
  }
  const auto end = std::chrono::steady_clock::now();
  std::free(line);
  std::fclose(in);
  reap(child);
  check(work, lines, bytes);
  return {end - begin};
}

outcome lines_read_until(const workload& work) { return run_alone(work, read_until); }

outcome lines_nothing(const workload& work) { return run_alone(work, await_nothing); }

} // namespace bench::raw
