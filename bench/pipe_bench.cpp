// Question: how fast can a program's output be read?
// Unit: bytes a second, from the start of the program to the end of its output.
// Varies: the size of the reader's buffer.
// Fixed: the program, which writes 64 KiB at a time from memory that it filled before; 256 MiB.
// Limit: raw_read_loop, a plain read() on a blocking pipe, of the default size (64 KiB) and of 1 MiB.

#include "support/boost_process.hpp"
#include "support/config.hpp"
#include "support/contest.hpp"
#include "support/lanes.hpp"
#include "support/peer.hpp"
#include "support/raw.hpp"

#include <coproc/spawn.hpp>

#include <stdexcept>

namespace bench {

namespace {

asio::awaitable<void> read_to_end(const workload& work) {
  coproc::command program(work.program, "bytes", std::to_string(work.count));
  program.out(coproc::stdio::pipe());
  auto child = co_await coproc::spawn(std::move(program));
  std::vector<char> buffer(static_cast<std::size_t>(work.width));
  std::int64_t total = 0;
  for (;;) {
    const std::size_t n = co_await child.out().read_some(asio::buffer(buffer));
    if (n == 0) break;
    total += static_cast<std::int64_t>(n);
  }
  const auto status = co_await child.wait();
  if (!status.success() || total != work.count) throw std::runtime_error("not all bytes came");
}

outcome coproc_read_some(const workload& work) { return run_alone(work, read_to_end); }

} // namespace

void ask(const settings& how) {
  std::vector<contestant> all{{"coproc", coproc_read_some, {}},
                              {"raw_read_loop_64k", raw::read_loop_64k, {}},
                              {"raw_read_loop_1m", raw::read_loop_1m, {}},
                              {"raw_asio_64k", raw::read_asio_64k, {}},
                              {"raw_asio_1m", raw::read_asio_1m, {}},
                              {"boost_process_v2", boost_process::read_pipe, {}}};
  for (auto& peer : peers("pipe")) all.push_back(std::move(peer));
  for (std::int64_t kib : {4, 64})
    compete("pipe/buffer:" + std::to_string(kib) + "KiB", all,
            {"pipe", config::emit, how.smoke ? 1 << 20 : 256 << 20, kib << 10}, {}, unit::bytes_per_second,
            1);
}

} // namespace bench
