// What tasks write to stdout: it is there when their results are.
#include <coproc/pool.hpp>

#include "pool/targets.hpp"
#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/pending.hpp"

#include <cstddef>
#include <cstdio>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

using namespace coproc::test;

BOOST_AUTO_TEST_SUITE(pool_output)

namespace t = coproc::test::pool_targets;
using coproc::map_options;
using t::announcements;

namespace {

constexpr std::size_t line = 5;

int say_and_sleep(int ms) {
  std::printf("said\n");
  return ms != 0 ? t::sleep_ms(ms) : 0;
}

/// A pipe that is the stdout of a pool's workers, but not of this process.
class caught_output {
public:
  caught_output() { BOOST_REQUIRE(::pipe2(ends_, O_CLOEXEC | O_NONBLOCK) == 0); }
  caught_output(const caught_output&) = delete;
  ~caught_output() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }

  /// Starts the two workers of @p pool.
  asio::awaitable<void> start(coproc::pool& workers) {
    std::fflush(stdout);
    const int kept = ::dup(1);
    ::dup2(ends_[1], 1);
    announcements started, go;
    auto first = workers.apply_async<t::announce_and_wait>(started, go);
    auto second = workers.apply_async<t::announce_and_wait>(started, go);
    for (int i = 0; i != 2; ++i) (void)co_await started.get();
    ::dup2(kept, 1);
    ::close(kept);
    for (int i = 0; i != 2; ++i) co_await go.put(0);
    co_await first.wait();
    co_await second.wait();
  }

  /// @returns how many bytes there are that have not been counted yet.
  std::size_t count() {
    std::size_t sum = 0;
    char some[4096];
    for (;;) {
      const ssize_t got = ::read(ends_[0], some, sizeof some);
      if (got <= 0) return sum;
      sum += static_cast<std::size_t>(got);
    }
  }

private:
  int ends_[2];
};

} // namespace

CO_TEST_ONCE(what_the_items_of_a_map_print_is_there_with_its_results) {
  caught_output out;
  coproc::pool workers(co_await this_executor(), 2);
  co_await out.start(workers);
  std::vector<int> items(2000);
  (void)co_await workers.map<say_and_sleep>(items); // short, so that the next ones share a chunk
  BOOST_TEST(out.count() == items.size() * line);
  items.resize(12);
  items[0] = 200; // the others are taken back from behind it
  (void)co_await workers.map<say_and_sleep>(items);
  BOOST_TEST(out.count() == items.size() * line);
}

CO_TEST_ONCE(what_an_item_prints_is_there_before_its_chunk_has_ended) {
  caught_output out;
  coproc::pool workers(co_await this_executor(), 2);
  co_await out.start(workers);
  std::vector<int> items(2, 100);
  auto results = workers.imap<say_and_sleep>(items, map_options().chunk_size(2));
  (void)co_await results.next();
  const std::size_t there = out.count();
  BOOST_TEST(there >= line);
  (void)co_await results.next();
  BOOST_TEST(there + out.count() == 2 * line);
}

BOOST_AUTO_TEST_SUITE_END()
