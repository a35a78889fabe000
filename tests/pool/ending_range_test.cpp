// A range that ends the pool which reads it, while something is about to be begun: what the last result made
// room for.
#include <coproc/pool.hpp>

#include "pool/targets.hpp"
#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/helper.hpp"
#include "support/pending.hpp"

#include <memory>
#include <ranges>
#include <vector>

using namespace coproc::test;

BOOST_AUTO_TEST_SUITE(pool_ending_range)

namespace t = coproc::test::pool_targets;
using coproc::async_result;
using coproc::map_options;

namespace {

enum class way { terminated, destroyed };

/// A pool of one slot, and an imap() on it whose range ends it as element @p at is read. The first three are
/// read at once, and each of the others as a result comes.
struct doomed {
  doomed(asio::any_io_executor executor, way how, int at)
      : workers(std::make_unique<coproc::pool>(executor, 1)),
        items(workers->imap<t::square>(std::views::iota(0) | std::views::transform([this, how, at](int x) {
                                         if (x == at && how == way::destroyed) workers.reset();
                                         if (x == at && workers) workers->terminate();
                                         return x;
                                       }),
                                       map_options().chunk_size(1))) {}

  /// Reads it to its end. @returns how many results there were.
  asio::awaitable<int> drain() {
    int got = 0;
    for (bool more = true; more;) {
      try {
        auto next = co_await items.next();
        more = next.has_value();
        got += more;
      } catch (const coproc::pool_terminated&) {
      }
    }
    co_return got;
  }

  std::unique_ptr<coproc::pool> workers;
  coproc::result_stream<int> items;
};

} // namespace

CO_TEST_ONCE(the_task_that_is_next_is_not_begun) {
  for (way how : {way::terminated, way::destroyed}) {
    doomed all(co_await this_executor(), how, 3);
    std::vector<async_result<int>> tasks;
    for (int i = 0; i != 5; ++i) tasks.push_back(all.workers->apply_async<t::square>(i));
    const int got = co_await all.drain();
    BOOST_TEST(got <= 1);
    for (auto& task : tasks) (void)co_await thrown_by<coproc::pool_terminated>(task.get());
    if (all.workers) co_await all.workers->join();
  }
}

CO_TEST_ONCE(the_program_that_is_next_is_not_begun) {
  for (way how : {way::terminated, way::destroyed}) {
    doomed all(co_await this_executor(), how, 5); // the one that is read when it is the program's turn
    auto program = co_await beside(all.workers->run(helper("pause")));
    (void)co_await all.drain();
    if (how == way::destroyed) {
      const bool aborted = co_await program.aborted();
      BOOST_TEST(aborted);
    } else {
      (void)co_await thrown_by<coproc::pool_terminated>(program.result());
    }
    if (all.workers) co_await all.workers->join();
  }
}

BOOST_AUTO_TEST_SUITE_END()
