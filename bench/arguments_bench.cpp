// Question: how fast do large arguments and results cross?
// Unit: bytes a second; from the start of a process to its end, with one argument, or with one result, of the
// size. Varies: the size. Fixed: a std::vector<char>, the fork server. Limit: raw_memcpy, one copy to memory
// that was not touched before. Nothing that keeps the two memories apart can do
//   with less; this library makes two copies, into shared memory and out of it.

#include "support/contest.hpp"
#include "support/kept_loop.hpp"
#include "support/peer.hpp"
#include "support/raw_function.hpp"

#include <coproc/process.hpp>

#include <stdexcept>

namespace bench {

namespace {

std::size_t count_bytes(const std::vector<char>& bytes) { return bytes.size(); }
std::vector<char> make_bytes(std::size_t size) { return std::vector<char>(size, 'x'); }

const std::vector<char>& data_of(std::int64_t size) {
  static std::vector<char> data;
  if (data.size() != static_cast<std::size_t>(size)) data.assign(static_cast<std::size_t>(size), 'x');
  return data;
}

asio::awaitable<void> argument(const workload& work) {
  coproc::process p{coproc::target<count_bytes>, data_of(work.width)};
  co_await p.start();
  const std::size_t size = co_await p.result();
  if (size != static_cast<std::size_t>(work.width)) throw std::runtime_error("not all came");
}

asio::awaitable<void> result(const workload& work) {
  coproc::process p{coproc::target<make_bytes>, static_cast<std::size_t>(work.width)};
  co_await p.start();
  const std::vector<char> data = co_await p.result();
  if (data.size() != static_cast<std::size_t>(work.width)) throw std::runtime_error("not all came");
}

template <asio::awaitable<void> (*One)(const workload&)>
outcome run(workload work) {
  const std::int64_t size = std::exchange(work.width, 1);
  return run_lanes_on_kept_loop(work, [size](const workload& w) {
    static workload sized;
    sized = w;
    sized.width = size;
    return One(sized);
  });
}

} // namespace

void ask(const settings& how) {
  std::vector<contestant> all{{"coproc_argument", run<argument>, {}},
                              {"coproc_result", run<result>, {}},
                              {"raw_memcpy", raw::copy, {}}};
  for (const char* what : {"argument", "result"})
    for (auto& peer : peers(what)) {
      peer.name = std::string("python_forkserver_") + what;
      peer.run = [ask = peer.run, what](workload work) {
        work.question = what;
        return ask(work);
      };
      all.push_back(std::move(peer));
    }
  for (const auto& [name, size] : {std::pair{"1KB", std::int64_t(1) << 10},
                                   {"1MB", std::int64_t(1) << 20},
                                   {"256MB", std::int64_t(256) << 20}}) {
    if (how.smoke && size > 1 << 20) continue;
    compete(std::string("arguments/size:") + name, all, {"argument", "-", size > 1 << 20 ? 1 : 8, size}, {},
            unit::bytes_per_second, size);
  }
}

} // namespace bench
