// Question: how fast can a program's output be read line by line?
// Unit: lines a second, from the start of the program to the end of its output.
// Varies: the length of the lines.
// Fixed: the program, which writes whole blocks of lines from memory that it filled before.
// Limits: raw_memchr, which looks for '\n' in a buffer that read() fills; C getline(); and, for forms that
// are an
//   awaitable a line, raw_nothing: as many coroutines that return a constant line, with no program and no
//   pipe.

#include "support/boost_process.hpp"
#include "support/config.hpp"
#include "support/contest.hpp"
#include "support/lanes.hpp"
#include "support/peer.hpp"
#include "support/raw.hpp"

#include <coproc/spawn.hpp>

#include <benchmark/benchmark.h>

#include <stdexcept>

namespace bench {

namespace {

coproc::command emit_lines(const workload& work) {
  coproc::command program(work.program, "lines", std::to_string(work.count), std::to_string(work.width));
  program.out(coproc::stdio::pipe());
  return program;
}

void check(const workload& work, std::int64_t lines, std::int64_t bytes) {
  if (lines != work.count || bytes != work.count * (work.width - 1))
    throw std::runtime_error("not all lines came whole");
}

asio::awaitable<void> read_lines(const workload& work) {
  auto program = emit_lines(work);
  auto child = co_await coproc::spawn(std::move(program));
  auto& out = child.out();
  std::int64_t lines = 0, bytes = 0;
  while (auto line = co_await out.read_line()) {
    benchmark::DoNotOptimize(*line);
    ++lines;
    bytes += static_cast<std::int64_t>(line->size());
  }
  co_await child.wait();
  check(work, lines, bytes);
}

asio::awaitable<void> try_lines(const workload& work) {
  auto program = emit_lines(work);
  auto child = co_await coproc::spawn(std::move(program));
  auto& out = child.out();
  std::int64_t lines = 0, bytes = 0;
  while (auto first = co_await out.read_line()) {
    ++lines;
    bytes += static_cast<std::int64_t>(first->size());
    while (auto line = out.try_read_line()) {
      benchmark::DoNotOptimize(*line);
      ++lines;
      bytes += static_cast<std::int64_t>(line->size());
    }
  }
  co_await child.wait();
  check(work, lines, bytes);
}

outcome coproc_read_line(const workload& work) { return run_alone(work, read_lines); }
outcome coproc_try_read_line(const workload& work) { return run_alone(work, try_lines); }

} // namespace

void ask(const settings& how) {
  std::vector<contestant> all{{"coproc_try_read_line", coproc_try_read_line, {}},
                              {"coproc_read_line", coproc_read_line, {}},
                              {"raw_memchr", raw::lines_memchr, {}},
                              {"raw_getline", raw::lines_getline, {}},
                              {"raw_nothing", raw::lines_nothing, {}},
                              {"raw_async_read_until", raw::lines_read_until, {}, 16},
                              {"boost_process_v2", boost_process::lines, {}, 16}};
  for (auto& peer : peers("lines")) all.push_back(std::move(peer));
  for (std::int64_t length : {8, 80})
    compete("lines/length:" + std::to_string(length), all,
            {"lines", config::emit, how.smoke ? 1000 : (64 << 20) / length, length}, {},
            unit::items_per_second);
}

} // namespace bench
