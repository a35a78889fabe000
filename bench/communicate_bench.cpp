// Question: how fast does a lot of data go through a filter, in and out at the same time?
// Unit: bytes a second, from the start of the program to its status.
// Varies: who does it.
// Fixed: 64 MiB through /bin/cat, all of it kept in memory.
// Limit: raw_poll, a poll() loop with a buffer that realloc grows, on pipes of the default size (64 KiB) and
// of 1 MiB.

#include "support/boost_process.hpp"
#include "support/contest.hpp"
#include "support/lanes.hpp"
#include "support/peer.hpp"
#include "support/raw.hpp"

#include <coproc/spawn.hpp>

#include <stdexcept>

namespace bench {

namespace {

asio::awaitable<void> through(const workload& work, nanoseconds& elapsed) {
  std::string input(static_cast<std::size_t>(work.width), 'i');
  const auto begin = std::chrono::steady_clock::now();
  coproc::command program(work.program);
  program.in(coproc::stdio::pipe()).out(coproc::stdio::pipe());
  auto child = co_await coproc::spawn(std::move(program));
  const auto result = co_await child.communicate(std::move(input));
  elapsed += std::chrono::steady_clock::now() - begin;
  if (!result.status.success() || result.out.size() != static_cast<std::size_t>(work.width) ||
      result.out.back() != 'i')
    throw std::runtime_error("not all bytes came back");
}

outcome coproc_communicate(const workload& work) {
  outcome result;
  for (std::int64_t n = 0; n < work.count; ++n)
    run_alone(work, [&result](const workload& w) { return through(w, result.elapsed); });
  return result;
}

} // namespace

void ask(const settings& how) {
  std::vector<contestant> all{{"coproc", coproc_communicate, {}},
                              {"raw_poll_64k", raw::communicate_64k, {}},
                              {"raw_poll_1m", raw::communicate_1m, {}},
                              {"boost_process_v2", boost_process::communicate, {}}};
  for (auto& peer : peers("communicate")) all.push_back(std::move(peer));
  const std::int64_t size = how.smoke ? 1 << 20 : 64 << 20;
  compete("communicate/" + std::to_string(size >> 20) + "MiB", all, {"communicate", "/bin/cat", 1, size}, {},
          unit::bytes_per_second, size);
}

} // namespace bench
