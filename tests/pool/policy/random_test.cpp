// Whatever happens, in whatever order: each item has one outcome, and no more than size run at once.
#include "pool/policy/world.hpp"

#include "support/co_test.hpp"

#include <chrono>
#include <cstddef>
#include <iterator>
#include <random>

using namespace coproc::test::policy_world;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(pool_policy_random)

namespace {

/// Everything that can happen, in random order.
void play(unsigned seed) {
  std::mt19937 random(seed);
  auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  policy::limits set;
  set.size = 1 + below(4);
  set.max_tasks = below(3) == 0 ? 1 + below(7) : 0;
  set.task_timeout = below(3) == 0 ? policy::duration(5ms) : policy::duration{};
  set.retries = below(3) == 0 ? static_cast<int>(1 + below(2)) : 0;
  set.initializer = below(4) == 0;
  set.budget = 100us;
  set.grace = 2ms;
  world w(set);
  w.leavers_hang = below(4) == 0;
  w.took = below(2) ? 1us : 40us;
  if (below(3) == 0) w.room = 1 + below(4);
  const bool calm_start = below(2) == 0;
  bool closing = false;

  auto some_worker = [&]() -> world::sim* {
    if (w.workers.empty()) return nullptr;
    auto at = w.workers.begin();
    std::advance(at, below(static_cast<unsigned>(w.workers.size())));
    return at->second.get();
  };
  auto step = [&](bool calm) {
    switch (below(calm ? 8 : 14)) {
    case 0:
    case 1:
      if (!w.starting.empty()) {
        const bool works = calm || calm_start || below(4) != 0;
        world::sim* s = w.starting.front();
        if (s->dead)
          w.end(*s);
        else
          w.start_one(works);
      }
      break;
    case 2:
      if (auto* s = some_worker();
          s && s->up && !s->dead && s->is->state == policy::worker_state::initialising) {
        if (calm || below(5) != 0)
          w.rules.initialised(*s->is, w.now);
        else
          w.rules.initializer_failed(*s->is, w.now);
        w.carry_out();
      }
      break;
    case 3:
      if (auto* s = some_worker()) w.begin(*s);
      break;
    case 4:
    case 5:
      if (auto* s = some_worker(); s && s->item_runs && !s->dead) {
        if (below(8) == 0)
          w.finish_without_room(*s);
        else
          w.finish(*s, below(2) == 0);
      }
      break;
    case 6:
      if (auto* s = some_worker(); s && !s->dead) w.read(*s);
      if (!w.programs.empty()) w.program_ends(w.programs[below(static_cast<unsigned>(w.programs.size()))]);
      break;
    case 7:
      w.pass(std::chrono::microseconds(below(4) == 0 ? below(3000) : below(100)));
      w.bury();
      break;
    case 8:
    case 9:
      if (!closing) w.ask(1 + (below(3) == 0 ? below(6) : 0), below(2), {below(8) == 0, below(2) == 0});
      break;
    case 10:
      if (!closing && below(3) == 0) w.ask_program();
      break;
    case 11:
      if (!w.askers.empty()) {
        asker& a = *w.askers[below(static_cast<unsigned>(w.askers.size()))];
        if (a.kind == policy::unit_kind::task && !a.cancelled && !a.finished())
          w.cancel(a, below(2) ? policy::verdict::cancelled : policy::verdict::dropped);
      }
      break;
    case 12:
      if (auto* s = some_worker(); s && s->up && !s->dead && below(2) == 0) w.die(*s);
      break;
    case 13:
      if (auto* s = some_worker(); s && s->up && !s->dead && below(20) == 0) {
        w.rules.wears_out(*s->is, w.now);
        w.carry_out();
      }
      break;
    }
    BOOST_REQUIRE_MESSAGE(w.running() <= set.size, "seed " << seed);
  };

  const unsigned steps = 50 + below(400);
  for (unsigned i = 0; i != steps; ++i) step(false);
  closing = true;
  if (below(4) == 0)
    w.rules.terminate();
  else
    w.rules.close(w.now);
  w.carry_out();
  for (int i = 0; i != 100'000 && !w.drained; ++i) step(true);
  BOOST_REQUIRE_MESSAGE(w.drained, "stuck, seed " << seed);
  for (auto& a : w.askers) {
    for (int n : a->outcomes) BOOST_REQUIRE_MESSAGE(n == 1, n << " outcomes, seed " << seed);
    for (int n : a->starts) BOOST_REQUIRE_MESSAGE(n <= 1 + set.retries, n << " starts, seed " << seed);
  }
  auto counts = w.rules.statistics();
  std::size_t items = 0;
  for (auto& a : w.askers) items += a->outcomes.size();
  BOOST_REQUIRE_MESSAGE(counts.completed + counts.failed + counts.cancelled == items,
                        "counts, seed " << seed);
  BOOST_REQUIRE_EQUAL(counts.queued + counts.running, 0u);
}

} // namespace

BOOST_AUTO_TEST_CASE(whatever_happens_each_item_has_one_outcome) {
  const auto seeds = coproc::test::scale_from_environment("COPROC_TEST_POLICY_SEEDS", 3000);
  for (unsigned seed = 1; seed <= seeds; ++seed) play(seed);
}

BOOST_AUTO_TEST_SUITE_END()
