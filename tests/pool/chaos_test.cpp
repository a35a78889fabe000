// A pool whose workers are killed at random. COPROC_STRESS_SECONDS says for how long: 30 in the nightly run.
#include <coproc/pool.hpp>

#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/pending.hpp"

#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <random>
#include <ranges>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(pool_chaos)

namespace {

constexpr std::size_t most_tasks = 1 << 22;

/// How often each task was started, in a file that survives whoever counts.
class start_counts {
public:
  start_counts() {
    char name[] = "/tmp/coproc-chaos-XXXXXX";
    const int fd = ::mkstemp(name);
    if (fd < 0 || ::ftruncate(fd, most_tasks) != 0) throw std::system_error(errno, std::system_category());
    path_ = name;
    counts_ = map(fd);
  }
  start_counts(const start_counts&) = delete;
  ~start_counts() {
    ::munmap(counts_, most_tasks);
    ::unlink(path_.c_str());
  }
  const std::string& path() const { return path_; }
  int of(std::size_t task) const { return counts_[task].load(); }

  static std::atomic<std::uint8_t>* map(int fd) {
    void* at = ::mmap(nullptr, most_tasks, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ::close(fd);
    if (at == MAP_FAILED) throw std::system_error(errno, std::system_category());
    return static_cast<std::atomic<std::uint8_t>*>(at);
  }

private:
  std::string path_;
  std::atomic<std::uint8_t>* counts_ = nullptr;
};

struct job {
  std::string path;
  std::uint64_t number = 0;
  int microseconds = 0;
};

struct trace {
  std::uint64_t number = 0;
  int pid = 0;
};

trace count_start(const job& which) {
  static std::atomic<std::uint8_t>* const counts =
      start_counts::map(::open(which.path.c_str(), O_RDWR | O_CLOEXEC));
  ++counts[which.number];
  if (which.microseconds != 0) ::usleep(static_cast<useconds_t>(which.microseconds));
  trace done;
  done.number = which.number;
  done.pid = ::getpid();
  return done;
}

bool is_worker(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/comm");
  std::string name;
  std::getline(file, name);
  return name.starts_with("PoolWorker");
}

struct victims {
  std::set<int> pids;
  std::mt19937 random{12345};
  std::size_t kills = 0;
};

asio::awaitable<void> kill_at_random(victims& seen) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  for (;;) {
    timer.expires_after(std::chrono::microseconds(500 + seen.random() % 10'000));
    co_await timer.async_wait(asio::use_awaitable);
    if (seen.pids.empty()) continue;
    auto at = std::next(seen.pids.begin(), static_cast<std::ptrdiff_t>(seen.random() % seen.pids.size()));
    if (is_worker(*at) && ::kill(*at, SIGKILL) == 0) ++seen.kills;
    seen.pids.erase(at);
  }
}

} // namespace

CO_TEST_ONCE(each_task_has_one_outcome_and_starts_at_most_once) {
  const auto seconds = scale_from_environment("COPROC_STRESS_SECONDS", 3);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  start_counts counts;
  coproc::pool workers(co_await this_executor(), 4);
  victims seen;
  auto killer = co_await beside(kill_at_random(seen));
  std::uint64_t next = 0;
  std::size_t died = 0, done = 0;
  while (std::chrono::steady_clock::now() < end && next + 1000 < most_tasks) {
    std::vector<coproc::async_result<trace>> tasks;
    const std::uint64_t first = next;
    for (int i = 0; i != 300; ++i) {
      job one;
      one.path = counts.path();
      one.number = next++;
      one.microseconds = seen.random() % 50 == 0 ? static_cast<int>(seen.random() % 3000) : 0;
      tasks.push_back(workers.apply_async<count_start>(one));
    }
    for (std::size_t i = 0; i != tasks.size(); ++i) {
      co_await tasks[i].wait();
      try {
        trace got = co_await tasks[i].get();
        BOOST_REQUIRE(got.number == first + i);
        seen.pids.insert(got.pid);
        ++done;
        BOOST_REQUIRE_EQUAL(counts.of(first + i), 1);
      } catch (const coproc::worker_died&) {
        ++died;
        BOOST_REQUIRE_LE(counts.of(first + i), 1); // it may be killed before the first line of its task
      }
    }
    // The same in chunks.
    const std::uint64_t base = next;
    next += 300;
    auto items =
        workers.imap<count_start>(std::views::iota(base, next) | std::views::transform([&](std::uint64_t n) {
                                    job one;
                                    one.path = counts.path();
                                    one.number = n;
                                    return one;
                                  }),
                                  coproc::map_options().chunk_size(20));
    for (std::uint64_t n = base; n != next; ++n) {
      try {
        auto got = co_await items.next();
        BOOST_REQUIRE(got->number == n);
        seen.pids.insert(got->pid);
        ++done;
        BOOST_REQUIRE_EQUAL(counts.of(n), 1);
      } catch (const coproc::worker_died&) {
        ++died;
        BOOST_REQUIRE_LE(counts.of(n), 1);
      }
    }
  }
  BOOST_TEST_MESSAGE(next << " tasks, " << seen.kills << " kills, " << died << " tasks lost to them");
  BOOST_TEST(done + died == next);
  BOOST_TEST(died <= seen.kills);
  BOOST_TEST(workers.stats().completed == done);
  BOOST_TEST(workers.stats().failed == died);
}

BOOST_AUTO_TEST_SUITE_END()
