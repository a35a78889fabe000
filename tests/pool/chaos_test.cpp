// A pool whose workers are killed at random. COPROC_STRESS_SECONDS says for how long.
#include <coproc/pool.hpp>

#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/host_state.hpp"
#include "support/leak_check.hpp"
#include "support/pending.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <fstream>
#include <memory>
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
    const int fd = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
    if (fd < 0 || ::ftruncate(fd, most_tasks) != 0) throw std::system_error(errno, std::system_category());
    counts_ = map(fd);
  }
  start_counts(const start_counts&) = delete;
  ~start_counts() { ::munmap(counts_, most_tasks); }
  const std::string& path() const { return path_; }
  int of(std::size_t task) const { return counts_[task].load(); }

  static std::atomic<std::uint8_t>* map(int fd) {
    void* at = ::mmap(nullptr, most_tasks, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ::close(fd);
    if (at == MAP_FAILED) throw std::system_error(errno, std::system_category());
    return static_cast<std::atomic<std::uint8_t>*>(at);
  }

private:
  scratch_directory folder_;
  const std::string path_ = folder_.file("counts", "").string();
  std::atomic<std::uint8_t>* counts_ = nullptr;
};

struct job {
  std::string path;
  std::uint64_t number = 0;
  int microseconds = 0;
};

struct trace {
  std::uint64_t number = 0;
  int pid = 0, parent = 0;
};

trace count_start(const job& which) {
  static std::atomic<std::uint8_t>* const counts =
      start_counts::map(::open(which.path.c_str(), O_RDWR | O_CLOEXEC));
  ++counts[which.number];
  if (which.microseconds != 0) ::usleep(static_cast<useconds_t>(which.microseconds));
  trace done;
  done.number = which.number;
  done.pid = ::getpid();
  done.parent = ::getppid();
  return done;
}

bool is_worker(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/comm");
  std::string name;
  std::getline(file, name);
  return name.starts_with("PoolWorker");
}

struct victims {
  std::set<int> pids; ///< Of workers that have run something.
  int server = 0;     ///< Whose children all workers are.
  std::mt19937 random{12345};
  std::size_t kills = 0;

  void note(const trace& done) {
    pids.insert(done.pid);
    server = done.parent;
  }
};

/// @returns one that may not have run anything yet, or not even be up.
int some_child_of(int server, std::mt19937& random) {
  const std::string id = std::to_string(server);
  std::ifstream file("/proc/" + id + "/task/" + id + "/children");
  std::vector<int> children;
  for (int child; file >> child;) children.push_back(child);
  return children.empty() ? 0 : children[random() % children.size()];
}

/// Whose end may come after that of the coroutine that drops it.
asio::awaitable<void> kill_at_random(std::shared_ptr<victims> all) {
  victims& seen = *all;
  asio::steady_timer timer(co_await asio::this_coro::executor);
  for (;;) {
    timer.expires_after(std::chrono::microseconds(500 + seen.random() % 10'000));
    co_await timer.async_wait(asio::use_awaitable);
    if (seen.pids.empty()) continue;
    int victim = 0;
    if (seen.random() % 4 == 0) {
      victim = some_child_of(seen.server, seen.random);
    } else {
      auto at = std::next(seen.pids.begin(), static_cast<std::ptrdiff_t>(seen.random() % seen.pids.size()));
      victim = *at;
      seen.pids.erase(at);
    }
    if (victim != 0 && is_worker(victim) && ::kill(victim, SIGKILL) == 0) ++seen.kills;
  }
}

asio::awaitable<void> chaos(std::chrono::steady_clock::time_point end) {
  start_counts counts;
  coproc::pool workers(co_await this_executor(), 4);
  auto all = std::make_shared<victims>();
  victims& seen = *all;
  auto killer = co_await beside(kill_at_random(all));
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
        seen.note(got);
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
        seen.note(*got);
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

} // namespace

BOOST_AUTO_TEST_CASE(each_task_has_one_outcome_and_starts_at_most_once) {
  const std::chrono::seconds length(scale_from_environment("COPROC_STRESS_SECONDS", sanitized ? 5 : 30));
  leak_check nothing_left;
  asio::io_context loop;
  bool finished = false;
  std::exception_ptr error;
  asio::co_spawn(loop, chaos(std::chrono::steady_clock::now() + length), [&](std::exception_ptr e) {
    finished = true;
    error = e;
  });
  loop.run_for(length + deadline());
  BOOST_REQUIRE_MESSAGE(finished, "hangs");
  if (error) std::rethrow_exception(error);
  BOOST_TEST(loop.stopped());
}

BOOST_AUTO_TEST_SUITE_END()
