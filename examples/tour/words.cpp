#include "words.hpp"

#include "progress.hpp"

#include <coproc/pool.hpp>
#include <coproc/shared_queue.hpp>

#include <asio/experimental/awaitable_operators.hpp>
#include <asio/this_coro.hpp>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <numeric>
#include <string>
#include <system_error>
#include <tuple>

namespace tour {

namespace {

constexpr const char* step_name = "words";

bool in_a_word(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

std::uint64_t words_of(const std::string& path) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!file) throw std::system_error(errno, std::generic_category(), path);
  std::uint64_t count = 0;
  bool inside = false;
  char buffer[65536];
  while (std::size_t size = std::fread(buffer, 1, sizeof buffer, file.get()))
    for (std::size_t i = 0; i != size; ++i) {
      bool now = in_a_word(static_cast<unsigned char>(buffer[i]));
      count += now && !inside;
      inside = now;
    }
  return count;
}

// Runs in a worker process. Tells the host of each batch when it is done.
std::uint64_t count_batch(const std::vector<std::string>& paths, coproc::shared_queue<std::size_t> done) {
  std::uint64_t count = 0;
  for (const std::string& path : paths) count += words_of(path);
  done.blocking_put(paths.size());
  return count;
}

using batch_arguments = std::tuple<std::vector<std::string>, coproc::shared_queue<std::size_t>>;

asio::awaitable<void> watch(coproc::shared_queue<std::size_t>& done, std::size_t batches, progress& shown) {
  for (; batches != 0; --batches) {
    co_await done.get();
    shown.step(step_name);
  }
}

} // namespace

asio::awaitable<std::uint64_t> count_words(const std::vector<file>& files, std::size_t jobs,
                                           progress& progress) {
  using namespace asio::experimental::awaitable_operators;
  coproc::shared_queue<std::size_t> done;
  std::vector<batch_arguments> batches;
  for (batch each : batches_of(files)) {
    std::vector<std::string> paths;
    for (const file& one : each) paths.push_back(one.path);
    batches.emplace_back(std::move(paths), done);
  }
  progress.expect(step_name, batches.size());

  coproc::pool pool(co_await asio::this_coro::executor, jobs);
  coproc::map_options one_by_one;
  one_by_one.chunk_size(1);
  std::vector<std::uint64_t> counts =
      co_await (pool.starmap<count_batch>(batches, one_by_one) && watch(done, batches.size(), progress));
  pool.close();
  co_await pool.join();
  co_return std::accumulate(counts.begin(), counts.end(), std::uint64_t(0));
}

} // namespace tour
