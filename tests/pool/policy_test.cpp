#include "pool/policy.hpp"

#include "support/co_test.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <deque>
#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

BOOST_AUTO_TEST_SUITE(pool_policy)

namespace {

using policy = coproc::detail::pool_policy;
using namespace std::chrono_literals;

policy::limits limits_of(std::size_t size) {
  policy::limits set;
  set.size = size;
  return set;
}

/// Who asked for something: counts what became of each of its items.
struct asker {
  explicit asker(std::uint32_t items) : outcomes(items), starts(items), how(items, "none") {}
  std::vector<int> outcomes, starts;
  std::vector<std::string> how;
  policy::unit_kind kind = policy::unit_kind::task;
  bool cancelled = false;

  void settle(std::uint32_t item, std::string what) {
    ++outcomes.at(item);
    how.at(item) = std::move(what);
  }
  bool finished() const {
    return std::all_of(outcomes.begin(), outcomes.end(), [](int n) { return n == 1; });
  }
};

std::string name_of(policy::outcome how) {
  switch (how) {
  case policy::outcome::cancelled:
    return "cancelled";
  case policy::outcome::timed_out:
    return "timed_out";
  case policy::outcome::died:
    return "died";
  case policy::outcome::terminated:
    return "terminated";
  case policy::outcome::gave_up:
    return "gave_up";
  case policy::outcome::start_failed:
    return "start_failed";
  }
  return "?";
}

/// Carries out what the policy decides, with workers that are nothing but lists.
class world {
public:
  struct entry {
    policy::unit* what;
    asker* owner;
    std::uint32_t first, count, done = 0;
    bool stop = false;
  };
  struct sim {
    policy::worker* is = nullptr;
    std::size_t number = 0;
    std::deque<entry> todo;
    std::deque<entry> unread; ///< Finished, not yet read: `done` items of it, from `first`.
    bool up = false, frozen = false, dead = false, leaving = false, item_runs = false;
    policy::time_point since{};
  };

  explicit world(policy::limits set) : rules(set) {}

  policy rules;
  policy::time_point now{1h};
  std::map<policy::worker*, std::unique_ptr<sim>> workers;
  std::vector<sim*> starting;
  std::vector<policy::unit*> programs;
  std::vector<policy::unit*> stopping; ///< Programs that were told to stop.
  std::vector<std::string> log;
  std::size_t made = 0; ///< Workers, ever.
  bool drained = false;
  bool leavers_hang = false;
  policy::duration took = 10ms;

  asker& ask(std::uint32_t items = 1, std::uint32_t target = 0, policy::traits how = {}) {
    askers.push_back(std::make_unique<asker>(items));
    unit_of[askers.back().get()] =
        &rules.submit(askers.back().get(), policy::unit_kind::task, items, target, how, now);
    carry_out();
    return *askers.back();
  }
  asker& ask_program() {
    askers.push_back(std::make_unique<asker>(1));
    askers.back()->kind = policy::unit_kind::program;
    unit_of[askers.back().get()] =
        &rules.submit(askers.back().get(), policy::unit_kind::program, 1, 0, {}, now);
    carry_out();
    return *askers.back();
  }

  /// Of those that are up, in the order in which they were started: the map has them by address.
  sim& worker(std::size_t index) {
    std::map<std::size_t, sim*> all;
    for (auto& [who, s] : workers)
      if (s->up && !s->dead) all.emplace(s->number, s.get());
    if (index >= all.size()) throw std::logic_error("no such worker");
    return *std::next(all.begin(), static_cast<std::ptrdiff_t>(index))->second;
  }
  std::size_t up() const {
    return static_cast<std::size_t>(std::count_if(workers.begin(), workers.end(),
                                                  [](auto& w) { return w.second->up && !w.second->dead; }));
  }

  void start_all() {
    while (!starting.empty()) start_one(true);
  }
  void start_one(bool works, policy::hope left = policy::hope::later) {
    sim& s = *starting.front();
    starting.erase(starting.begin());
    if (works) {
      s.up = true;
      rules.started(*s.is, now);
    } else {
      policy::worker& w = *s.is;
      workers.erase(&w);
      rules.start_failed(w, left, now);
    }
    carry_out();
  }

  /// The worker begins its next item. @returns whether there was one.
  bool begin(sim& s) {
    if (!s.up || s.dead || s.frozen || s.item_runs || s.todo.empty()) return false;
    entry& e = s.todo.front();
    s.item_runs = true;
    s.since = now;
    ++e.owner->starts.at(e.first + e.done);
    return true;
  }
  /// It finishes that item; the result stays unread if @p quietly.
  void finish(sim& s, bool quietly = false) {
    BOOST_REQUIRE(s.item_runs);
    s.item_runs = false;
    entry& e = s.todo.front();
    ++e.done;
    s.unread.push_back({e.what, e.owner, e.first + e.done - 1, 1, 1, e.done == e.count || e.stop});
    if (e.done == e.count || e.stop) s.todo.pop_front();
    if (!quietly) read(s);
  }
  void work(sim& s) {
    BOOST_REQUIRE(begin(s));
    now += took;
    finish(s);
  }

  void read(sim& s) {
    while (!s.unread.empty()) {
      entry e = s.unread.front();
      s.unread.pop_front();
      if (s.is->handed.empty() || s.is->handed.front() != e.what) continue; // it was taken back in between
      if (rules.items_done(*s.is, 1, 0, e.stop, took, now)) e.owner->settle(e.first, "done");
    }
    carry_out();
  }

  void die(sim& s) {
    s.dead = true;
    end(s);
  }
  void end(sim& s) {
    policy::worker* who = s.is;
    s.dead = true;
    s.frozen = true;
    read(s);
    const bool runs = s.item_runs;
    std::erase(starting, &s);
    auto keep = std::move(workers.at(who));
    workers.erase(who);
    rules.ended(*who, runs, now);
    carry_out();
  }

  void pass(policy::duration time) {
    now += time;
    auto at = rules.wakeup();
    if (at && *at <= now) rules.tick(now);
    carry_out();
  }

  std::size_t running() const {
    return programs.size() +
           static_cast<std::size_t>(std::count_if(workers.begin(), workers.end(), [](auto& w) {
             return w.second->item_runs && !w.second->dead;
           }));
  }

  void cancel(asker& a, policy::verdict how = policy::verdict::cancelled) {
    // As the pool does: all units of one owner.
    a.cancelled = true;
    rules.cancel_owner(&a, how, now);
    carry_out();
  }

  void carry_out() {
    while (auto a = rules.next_action()) {
      switch (a->kind) {
      case policy::action_kind::start: {
        auto s = std::make_unique<sim>();
        s->is = a->who;
        s->number = ++made;
        starting.push_back(s.get());
        workers[a->who] = std::move(s);
        log.push_back("start");
        break;
      }
      case policy::action_kind::hand: {
        sim& s = *workers.at(a->who);
        BOOST_REQUIRE(s.up && !s.leaving); // it may be dead, with results that are just being read
        s.todo.push_back({a->what, static_cast<asker*>(a->what->owner), a->what->first, a->what->count});
        log.push_back("hand");
        break;
      }
      case policy::action_kind::freeze: {
        sim& s = *workers.at(a->who);
        s.frozen = true;
        read(s);
        rules.frozen(*s.is, s.item_runs, s.since, now);
        log.push_back("freeze");
        break;
      }
      case policy::action_kind::take_back: {
        sim& s = *workers.at(a->who);
        BOOST_REQUIRE(s.frozen);
        auto at = std::find_if(s.todo.begin(), s.todo.end(), [&](entry& e) { return e.what == a->what; });
        BOOST_REQUIRE(at != s.todo.end());
        BOOST_REQUIRE(!(at == s.todo.begin() && s.item_runs));
        s.todo.erase(at);
        log.push_back("take_back");
        break;
      }
      case policy::action_kind::stop_after: {
        sim& s = *workers.at(a->who);
        BOOST_REQUIRE(s.frozen && s.item_runs && s.todo.front().what == a->what);
        s.todo.front().stop = true;
        break;
      }
      case policy::action_kind::thaw:
        workers.at(a->who)->frozen = false;
        break;
      case policy::action_kind::kill:
        workers.at(a->who)->dead = true;
        log.push_back("kill");
        break;
      case policy::action_kind::retire: {
        sim& s = *workers.at(a->who);
        BOOST_REQUIRE(s.todo.empty());
        s.leaving = true;
        log.push_back("retire");
        break;
      }
      case policy::action_kind::run_program:
        programs.push_back(a->what);
        ++static_cast<asker*>(a->owner)->starts.at(0);
        break;
      case policy::action_kind::stop_program:
        stopping.push_back(a->what);
        break;
      case policy::action_kind::settle:
        for (std::uint32_t i = 0; i != a->count; ++i)
          static_cast<asker*>(a->owner)->settle(a->first + i, name_of(a->how));
        break;
      case policy::action_kind::drained:
        BOOST_REQUIRE(!drained && workers.empty() && programs.empty());
        drained = true;
        break;
      }
    }
  }

  void program_ends(policy::unit* u, bool well = true) {
    auto* owner = static_cast<asker*>(u->owner);
    std::erase(programs, u);
    std::erase(stopping, u);
    owner->settle(0, well ? "done" : "failed");
    rules.program_ended(*u, well ? policy::program_result::succeeded : policy::program_result::failed, now);
    carry_out();
  }

  /// Those that were killed end, and those that were told to leave unless they hang.
  void bury() {
    for (bool again = true; again;) {
      again = false;
      for (auto& [who, s] : workers)
        if (s->dead || (s->leaving && !leavers_hang)) {
          end(*s);
          again = true;
          break;
        }
    }
  }

  std::vector<std::unique_ptr<asker>> askers;
  std::map<asker*, policy::unit*> unit_of;
};

} // namespace

BOOST_AUTO_TEST_CASE(workers_are_started_when_first_needed) {
  world w(limits_of(4));
  BOOST_TEST(w.starting.empty());
  w.ask();
  BOOST_TEST(w.starting.size() == 1u);
  w.ask();
  w.ask();
  BOOST_TEST(w.starting.size() == 3u);
  for (int i = 0; i != 5; ++i) w.ask();
  BOOST_TEST(w.starting.size() == 4u);
}

BOOST_AUTO_TEST_CASE(an_idle_worker_is_used_again) {
  world w(limits_of(4));
  for (int i = 0; i != 10; ++i) {
    auto& a = w.ask();
    w.start_all();
    w.work(w.worker(0));
    BOOST_TEST(a.how[0] == "done");
  }
  BOOST_TEST(w.workers.size() == 1u);
  BOOST_TEST(w.rules.statistics().completed == 10u);
}

BOOST_AUTO_TEST_CASE(no_more_than_size_run_at_once) {
  world w(limits_of(2));
  for (int i = 0; i != 3; ++i) w.ask();
  w.ask_program();
  w.start_all();
  BOOST_TEST(w.workers.size() == 2u);
  for (auto& [who, s] : w.workers) BOOST_TEST(w.begin(*s));
  BOOST_TEST(w.running() == 2u);
  BOOST_TEST(w.rules.statistics().queued == 2u);
  w.now += 10ms;
  w.finish(w.worker(0));
  w.begin(w.worker(0));
  BOOST_TEST(w.programs.empty());
  w.finish(w.worker(1));
  BOOST_TEST(w.programs.size() == 1u);
  BOOST_TEST(w.running() == 2u);
}

BOOST_AUTO_TEST_CASE(long_tasks_are_not_handed_ahead) {
  world w(limits_of(1));
  for (int i = 0; i != 5; ++i) w.ask();
  w.start_all();
  for (int i = 0; i != 5; ++i) {
    BOOST_TEST(w.worker(0).todo.size() == 1u);
    w.work(w.worker(0));
  }
}

BOOST_AUTO_TEST_CASE(short_tasks_are_handed_ahead_within_the_budget) {
  auto set = limits_of(1);
  set.budget = 300us;
  world w(set);
  w.took = 10us;
  for (int i = 0; i != 100; ++i) w.ask();
  w.start_all();
  BOOST_TEST(w.worker(0).todo.size() == 1u); // nothing is known yet
  w.work(w.worker(0));
  BOOST_TEST(w.worker(0).todo.size() == 30u);
}

BOOST_AUTO_TEST_CASE(what_waits_behind_a_long_one_is_taken_back) {
  auto set = limits_of(2);
  world w(set);
  w.took = 1us;
  w.ask();
  w.start_all();
  w.work(w.worker(0));
  std::vector<asker*> asked;
  w.ask();
  w.begin(w.worker(0));
  for (int i = 0; i != 20; ++i) asked.push_back(&w.ask());
  BOOST_TEST(w.worker(0).todo.size() == 21u);
  BOOST_REQUIRE(w.rules.wakeup());
  w.pass(set.patience);
  BOOST_TEST(w.worker(0).todo.size() == 1u);
  BOOST_TEST(w.rules.statistics().queued == 20u);
  w.start_all();
  BOOST_TEST(w.worker(1).todo.size() >= 1u);
  BOOST_TEST(w.worker(0).todo.size() == 1u);
  BOOST_TEST(asked[0]->starts[0] == 0);
}

BOOST_AUTO_TEST_CASE(what_was_long_and_is_short_again_is_handed_ahead_again) {
  world w(limits_of(1));
  w.took = 10ms;
  for (int i = 0; i != 200; ++i) w.ask();
  w.start_all();
  w.work(w.worker(0));
  BOOST_TEST(w.worker(0).todo.size() == 1u);
  w.took = 1us;
  int needed = 0;
  while (w.worker(0).todo.size() == 1u && needed != 100) {
    w.work(w.worker(0));
    ++needed;
  }
  BOOST_TEST(needed > 5); // one that was short does not make it so
  BOOST_TEST(needed < 50);
}

BOOST_AUTO_TEST_CASE(nothing_is_handed_ahead_to_one_that_has_run_for_long) {
  auto set = limits_of(1);
  world w(set);
  w.took = 1us;
  w.ask();
  w.start_all();
  w.work(w.worker(0));
  w.ask();
  w.begin(w.worker(0));
  BOOST_TEST(!w.rules.wakeup()); // nothing waits
  w.pass(set.patience);
  w.ask();
  BOOST_TEST(w.worker(0).todo.size() == 1u);
  BOOST_TEST(w.rules.statistics().queued == 1u);
}

BOOST_AUTO_TEST_CASE(the_rest_of_a_chunk_does_not_wait_behind_a_long_item) {
  for (bool divisible : {false, true}) {
    auto set = limits_of(2);
    world w(set);
    w.took = 1us;
    auto& chunk = w.ask(10, 0, {false, divisible});
    w.start_all();
    w.work(w.worker(0));
    w.begin(w.worker(0)); // the second one, which takes long
    w.pass(set.patience);
    BOOST_REQUIRE(w.worker(0).todo.size() == 1u);
    BOOST_TEST(w.worker(0).todo.front().stop);
    w.start_all();
    // Handed out again in small parts: the next one may be long, too.
    BOOST_REQUIRE(w.worker(1).todo.size() == 1u);
    BOOST_TEST(w.worker(1).todo.front().first == 2u);
    BOOST_TEST(w.worker(1).todo.front().count == 1u);
    while (!chunk.outcomes[9]) w.work(w.worker(1));
    BOOST_TEST(chunk.outcomes[1] == 0);
    w.finish(w.worker(0));
    BOOST_TEST(chunk.finished());
    for (int n : chunk.starts) BOOST_TEST(n == 1);
  }
}

BOOST_AUTO_TEST_CASE(nor_if_its_worker_stood_still_before) {
  auto set = limits_of(2);
  world w(set);
  w.took = 1us;
  auto& chunk = w.ask(10);
  w.start_all();
  w.pass(set.patience); // it does not begin for a while
  BOOST_REQUIRE(w.worker(0).todo.size() == 1u);
  BOOST_TEST((!w.rules.wakeup() || *w.rules.wakeup() >= w.now + 5 * set.patience)); // not all the time
  w.work(w.worker(0));
  w.begin(w.worker(0));
  for (int i = 0; i != 20; ++i) w.pass(set.patience);
  w.start_all();
  BOOST_REQUIRE(w.up() == 2u);
  while (!chunk.outcomes[9]) w.work(w.worker(1));
  BOOST_TEST(chunk.outcomes[1] == 0);
  w.finish(w.worker(0));
  BOOST_TEST(chunk.finished());
}

BOOST_AUTO_TEST_CASE(an_idle_worker_shares_what_takes_longer_than_was_thought) {
  auto set = limits_of(2);
  world w(set);
  w.took = 10us;
  w.ask(1, 1);
  w.ask(1, 1);
  w.start_all();
  w.work(w.worker(0));
  w.work(w.worker(1));
  w.ask();
  w.work(w.worker(0)); // known to be short
  auto& other = w.ask(1, 1);
  for (int i = 0; i != 29; ++i) w.ask();
  world::sim &first = w.worker(0), &second = w.worker(1);
  world::sim& busy = first.todo.size() > second.todo.size() ? first : second;
  world::sim& dry = &busy == &first ? second : first;
  while (w.begin(dry)) {
    w.now += 10us;
    w.finish(dry);
  }
  BOOST_TEST(other.finished());
  const std::size_t ahead = busy.todo.size();
  BOOST_REQUIRE(ahead > 5u);
  BOOST_TEST(dry.todo.empty()); // that much is no matter
  w.took = 900us;
  w.work(busy);
  BOOST_TEST(dry.todo.size() == 1u);
  BOOST_TEST(busy.todo.size() == 1u);
  BOOST_TEST(w.rules.statistics().queued == ahead - 3);
}

BOOST_AUTO_TEST_CASE(an_idle_worker_shares_a_chunk_whose_items_take_longer_than_was_thought) {
  auto set = limits_of(2);
  world w(set);
  w.took = 1us;
  w.ask();
  w.ask();
  w.start_all();
  w.work(w.worker(0));
  w.work(w.worker(1));
  auto& chunk = w.ask(100, 0, {false, true});
  world::sim& busy = w.worker(0).todo.empty() ? w.worker(1) : w.worker(0);
  world::sim& dry = w.worker(0).todo.empty() ? w.worker(0) : w.worker(1);
  w.took = 100us;
  w.work(busy);
  BOOST_REQUIRE(dry.todo.size() == 1u);
  BOOST_TEST(dry.todo.front().count == 5u); // half a millisecond
  for (int i = 0; i != 1000 && !chunk.finished(); ++i)
    for (auto* s : {&busy, &dry})
      if (w.begin(*s)) w.finish(*s);
  BOOST_TEST(chunk.finished());
  for (int n : chunk.starts) BOOST_TEST(n == 1);
}

BOOST_AUTO_TEST_CASE(nothing_waits_behind_what_does_not_begin) {
  auto set = limits_of(2);
  world w(set);
  w.took = 1us;
  w.ask();
  w.ask(1, 1);
  w.start_all();
  w.work(w.worker(0));
  w.work(w.worker(1));
  w.begin(w.worker(0));
  for (int i = 0; i != 20; ++i) w.ask();
  world::sim& stopped = w.worker(0).todo.empty() ? w.worker(1) : w.worker(0);
  const std::size_t ahead = stopped.todo.size();
  BOOST_REQUIRE(ahead > 1u);
  w.pass(set.patience);
  BOOST_TEST(stopped.todo.size() == 1u);
  // And it is not looked at again and again.
  BOOST_TEST((!w.rules.wakeup() || *w.rules.wakeup() > w.now));
}

BOOST_AUTO_TEST_CASE(a_large_one_is_never_handed_ahead) {
  world w(limits_of(1));
  w.took = 1us;
  w.ask(1, 0, {true, false});
  w.ask(1, 0, {true, false});
  w.ask();
  w.start_all();
  w.work(w.worker(0));
  BOOST_TEST(w.worker(0).todo.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_death_fails_what_runs_and_nothing_else) {
  world w(limits_of(1));
  w.took = 1us;
  w.ask();
  w.start_all();
  w.work(w.worker(0));
  auto& finished = w.ask();
  auto& runs = w.ask();
  auto& waits = w.ask();
  BOOST_TEST(w.worker(0).todo.size() == 3u);
  w.begin(w.worker(0));
  w.finish(w.worker(0), true); // its result is not read when the worker dies
  w.begin(w.worker(0));
  w.die(w.worker(0));
  BOOST_TEST(finished.how[0] == "done");
  BOOST_TEST(runs.how[0] == "died");
  BOOST_TEST(waits.how[0] == "none");
  w.start_all();
  w.work(w.worker(0));
  BOOST_TEST(waits.how[0] == "done");
  BOOST_TEST(waits.starts[0] == 1);
  BOOST_TEST(w.rules.statistics().restarted == 1u);
}

BOOST_AUTO_TEST_CASE(a_death_in_a_chunk_fails_one_item) {
  world w(limits_of(1));
  auto& chunk = w.ask(5);
  w.start_all();
  w.work(w.worker(0));
  w.begin(w.worker(0));
  w.die(w.worker(0));
  w.start_all();
  while (!w.worker(0).todo.empty()) w.work(w.worker(0));
  BOOST_TEST(chunk.how[0] == "done");
  BOOST_TEST(chunk.how[1] == "died");
  for (std::size_t i = 2; i != 5; ++i) BOOST_TEST(chunk.how[i] == "done");
  for (int starts : chunk.starts) BOOST_TEST(starts == 1);
}

BOOST_AUTO_TEST_CASE(retries_start_again) {
  auto set = limits_of(1);
  set.retries = 2;
  world w(set);
  auto& chunk = w.ask(3);
  auto& single = w.ask();
  w.start_all();
  for (int i = 0; i != 2; ++i) {
    w.begin(w.worker(0));
    w.die(w.worker(0));
    w.start_all();
  }
  while (chunk.outcomes[2] == 0) w.work(w.worker(0));
  BOOST_TEST(chunk.how[0] == "done");
  BOOST_TEST(chunk.starts[0] == 3);
  BOOST_TEST(chunk.starts[1] == 1);
  for (int i = 0; i != 3; ++i) {
    BOOST_TEST(single.how[0] == "none");
    w.begin(w.worker(0));
    w.die(w.worker(0));
    w.start_all();
  }
  BOOST_TEST(single.how[0] == "died");
  BOOST_TEST(single.starts[0] == 3);
}

BOOST_AUTO_TEST_CASE(a_task_that_takes_too_long_is_killed) {
  auto set = limits_of(1);
  set.task_timeout = 1s;
  world w(set);
  auto& slow = w.ask();
  auto& next = w.ask();
  w.start_all();
  w.pass(500ms); // handed, but not begun
  w.begin(w.worker(0));
  w.pass(500ms);
  w.pass(1ms);
  BOOST_TEST(!w.worker(0).dead); // the time counts from the start of the task
  w.pass(499ms);
  BOOST_TEST(w.workers.begin()->second->dead);
  BOOST_TEST(slow.how[0] == "none");
  w.bury();
  BOOST_TEST(slow.how[0] == "timed_out");
  w.start_all();
  w.work(w.worker(0));
  BOOST_TEST(next.how[0] == "done");
}

BOOST_AUTO_TEST_CASE(a_timeout_counts_items_and_not_chunks) {
  auto set = limits_of(1);
  set.task_timeout = 1s;
  world w(set);
  auto& chunk = w.ask(4);
  w.start_all();
  for (int i = 0; i != 3; ++i) {
    w.begin(w.worker(0));
    w.pass(900ms);
    w.finish(w.worker(0));
  }
  w.begin(w.worker(0));
  w.pass(1s);
  w.bury();
  BOOST_TEST(chunk.how[2] == "done");
  BOOST_TEST(chunk.how[3] == "timed_out");
}

BOOST_AUTO_TEST_CASE(a_worker_that_does_not_begin_is_replaced) {
  auto set = limits_of(1);
  set.task_timeout = 1s;
  world w(set);
  auto& task = w.ask();
  w.start_all();
  w.pass(set.patience);
  w.pass(1s);
  BOOST_TEST(!w.worker(0).dead); // once may be chance
  w.pass(1s);
  w.bury();
  w.start_all();
  w.work(w.worker(0));
  BOOST_TEST(task.how[0] == "done");
  BOOST_TEST(task.starts[0] == 1);
}

BOOST_AUTO_TEST_CASE(a_queued_task_is_dropped_when_cancelled) {
  world w(limits_of(1));
  w.ask();
  auto& waits = w.ask();
  w.start_all();
  w.begin(w.worker(0));
  w.cancel(waits);
  BOOST_TEST(waits.how[0] == "cancelled");
  BOOST_TEST(!w.worker(0).dead);
}

BOOST_AUTO_TEST_CASE(a_running_task_is_killed_when_cancelled) {
  world w(limits_of(1));
  w.took = 1us;
  w.ask();
  w.start_all();
  w.work(w.worker(0));
  auto& runs = w.ask();
  auto& ahead = w.ask();
  w.begin(w.worker(0));
  w.cancel(runs);
  BOOST_TEST(w.workers.begin()->second->dead);
  BOOST_TEST(runs.how[0] == "none"); // only when it runs no more
  w.bury();
  BOOST_TEST(runs.how[0] == "cancelled");
  BOOST_TEST(ahead.starts[0] == 0);
  w.start_all();
  w.work(w.worker(0));
  BOOST_TEST(ahead.how[0] == "done");
}

BOOST_AUTO_TEST_CASE(cancelling_what_has_finished_unseen_kills_nobody) {
  world w(limits_of(1));
  w.took = 1us;
  w.ask();
  w.start_all();
  w.work(w.worker(0));
  auto& a = w.ask();
  auto& b = w.ask();
  w.begin(w.worker(0));
  w.finish(w.worker(0), true);
  w.begin(w.worker(0));
  w.cancel(a);
  BOOST_TEST(a.how[0] == "cancelled");
  BOOST_TEST(!w.worker(0).dead);
  w.finish(w.worker(0));
  BOOST_TEST(b.how[0] == "done");
}

BOOST_AUTO_TEST_CASE(dropping_lets_the_item_that_runs_finish) {
  world w(limits_of(1));
  auto& chunk = w.ask(5);
  w.start_all();
  w.begin(w.worker(0));
  w.cancel(chunk, policy::verdict::dropped);
  BOOST_TEST(!w.worker(0).dead);
  w.finish(w.worker(0));
  BOOST_TEST(w.worker(0).todo.empty());
  BOOST_TEST(chunk.finished());
  BOOST_TEST(chunk.starts[1] == 0);
  auto& next = w.ask();
  w.work(w.worker(0));
  BOOST_TEST(next.how[0] == "done");
}

BOOST_AUTO_TEST_CASE(a_worker_gets_max_tasks_items_and_no_more) {
  auto set = limits_of(1);
  set.max_tasks = 3;
  world w(set);
  auto& chunk = w.ask(8);
  std::map<policy::worker*, int> items;
  std::size_t workers = 0;
  while (!chunk.finished()) {
    workers += w.starting.size();
    w.start_all();
    for (auto& [who, s] : w.workers)
      if (!s->todo.empty()) {
        ++items[who];
        w.work(*s);
        break;
      }
    w.bury();
  }
  BOOST_TEST(workers == 3u);
  BOOST_TEST(w.rules.statistics().restarted == 2u);
}

BOOST_AUTO_TEST_CASE(one_that_wears_out_is_replaced) {
  world w(limits_of(1));
  w.took = 1us;
  w.ask();
  w.start_all();
  w.work(w.worker(0));
  w.ask();
  auto& last = w.ask();
  w.begin(w.worker(0));
  w.rules.wears_out(*w.worker(0).is, w.now);
  w.carry_out();
  BOOST_TEST(w.worker(0).todo.size() == 1u);
  w.finish(w.worker(0));
  BOOST_TEST(w.worker(0).leaving);
  w.bury();
  w.start_all();
  w.work(w.worker(0));
  BOOST_TEST(last.how[0] == "done");
}

BOOST_AUTO_TEST_CASE(a_crash_loop_ends) {
  world w(limits_of(1));
  auto& task = w.ask();
  int deaths = 0;
  while (!task.finished()) {
    BOOST_REQUIRE(deaths < 100);
    while (w.starting.empty()) {
      BOOST_REQUIRE(w.rules.wakeup());
      w.pass(std::max(*w.rules.wakeup() - w.now, policy::duration(1)));
    }
    w.start_all();
    w.die(w.worker(0));
    ++deaths;
  }
  BOOST_TEST(task.how[0] == "gave_up");
  BOOST_TEST(task.starts[0] == 0);
  BOOST_TEST(deaths == 4);
  // The next one is tried.
  auto& next = w.ask();
  w.pass(1s);
  BOOST_REQUIRE(!w.starting.empty());
  w.start_all();
  w.work(w.worker(0));
  BOOST_TEST(next.how[0] == "done");
}

BOOST_AUTO_TEST_CASE(workers_that_die_one_after_another_are_replaced_ever_later) {
  auto set = limits_of(1);
  set.deaths_at_start = 8;
  world w(set);
  w.ask();
  policy::duration last{};
  for (int deaths = 1; deaths != 8; ++deaths) {
    w.start_all();
    w.die(w.worker(0));
    BOOST_REQUIRE(w.starting.empty());
    BOOST_REQUIRE(w.rules.wakeup());
    const auto wait = *w.rules.wakeup() - w.now;
    BOOST_TEST((wait == (last == policy::duration() ? policy::duration(5ms) : 2 * last)));
    last = wait;
    w.pass(wait - 1ns);
    BOOST_TEST(w.starting.empty());
    w.pass(1ns);
    BOOST_REQUIRE(w.starting.size() == 1u);
  }
  // At work the first ones are replaced at once.
  world at_work(limits_of(1));
  for (int i = 0; i != 20; ++i) at_work.ask();
  for (int deaths = 1; deaths != 10; ++deaths) {
    if (at_work.starting.empty()) at_work.pass(20ms);
    at_work.start_all();
    at_work.begin(at_work.worker(0));
    at_work.die(at_work.worker(0));
    BOOST_TEST(at_work.starting.empty() == (deaths > 3));
  }
}

BOOST_AUTO_TEST_CASE(deaths_at_work_with_no_task_completed_end_too) {
  world w(limits_of(4));
  std::vector<asker*> all;
  for (int i = 0; i != 200; ++i) all.push_back(&w.ask());
  std::size_t deaths = 0;
  for (; deaths != 200 && !all.back()->finished(); ++deaths) {
    w.pass(20ms); // the longest backoff
    w.start_all();
    for (std::size_t i = 0; i != w.up(); ++i) w.begin(w.worker(i));
    w.die(w.worker(0)); // while the others run theirs
  }
  BOOST_TEST(deaths == 64u);
  BOOST_TEST(all[0]->how[0] == "died");
  BOOST_TEST(all.back()->how[0] == "gave_up");
  for (auto* a : all)
    if (a->how[0] == "gave_up") BOOST_TEST(a->starts[0] == 0);
}

BOOST_AUTO_TEST_CASE(deaths_beside_a_worker_that_completes_tasks_do_not_end) {
  world w(limits_of(2));
  auto& first = w.ask();
  w.start_all();
  w.work(w.worker(0));
  auto& runs_on = w.ask();
  w.begin(w.worker(0));
  world::sim* healthy = &w.worker(0);
  std::vector<asker*> all;
  for (int i = 0; i != 200; ++i) all.push_back(&w.ask());
  while (!all.back()->finished()) {
    w.pass(20ms);
    w.start_all();
    for (std::size_t i = 0; i != w.up(); ++i)
      if (world::sim* s = &w.worker(i); s != healthy && w.begin(*s)) {
        w.die(*s);
        break;
      }
  }
  BOOST_TEST(first.how[0] == "done");
  BOOST_TEST(runs_on.how[0] == "none");
  for (auto* a : all) BOOST_TEST(a->how[0] == "died");
}

BOOST_AUTO_TEST_CASE(a_failing_initializer_ends_with_an_error) {
  auto set = limits_of(2);
  set.initializer = true;
  world w(set);
  auto& task = w.ask();
  for (int i = 0; i != 100 && !task.finished(); ++i) {
    if (w.starting.empty()) w.pass(1s);
    w.start_all();
    for (auto& [who, s] : w.workers)
      if (!s->dead) {
        w.rules.initializer_failed(*who, w.now);
        w.carry_out();
        break;
      }
    w.bury();
  }
  BOOST_TEST(task.how[0] == "gave_up");
}

BOOST_AUTO_TEST_CASE(nothing_is_handed_before_the_initializer_has_ended) {
  auto set = limits_of(1);
  set.initializer = true;
  world w(set);
  w.ask();
  w.start_all();
  BOOST_TEST(w.worker(0).todo.empty());
  w.rules.initialised(*w.worker(0).is, w.now);
  w.carry_out();
  BOOST_TEST(w.worker(0).todo.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_start_that_fails_fails_one_task_and_is_tried_later) {
  world w(limits_of(1));
  auto& first = w.ask();
  auto& second = w.ask();
  w.start_one(false);
  BOOST_TEST(first.how[0] == "start_failed");
  BOOST_TEST(second.how[0] == "none");
  BOOST_TEST(w.starting.empty());
  w.pass(1s);
  w.start_all();
  w.work(w.worker(0));
  BOOST_TEST(second.how[0] == "done");
}

BOOST_AUTO_TEST_CASE(a_start_that_fails_while_others_work_fails_nothing) {
  world w(limits_of(2));
  w.ask();
  auto& second = w.ask();
  w.start_one(true);
  w.start_one(false);
  BOOST_TEST(second.how[0] == "none");
  w.work(w.worker(0));
  w.work(w.worker(0));
  BOOST_TEST(second.how[0] == "done");
}

BOOST_AUTO_TEST_CASE(a_hopeless_start_fails_all) {
  world w(limits_of(1));
  auto& first = w.ask();
  auto& second = w.ask();
  w.start_one(false, policy::hope::none);
  BOOST_TEST(first.how[0] == "start_failed");
  BOOST_TEST(second.how[0] == "start_failed");
}

BOOST_AUTO_TEST_CASE(close_drains) {
  world w(limits_of(2));
  std::vector<asker*> all;
  for (int i = 0; i != 5; ++i) all.push_back(&w.ask());
  w.rules.close(w.now);
  w.carry_out();
  w.start_all();
  while (!w.drained) {
    for (auto& [who, s] : w.workers)
      if (!s->todo.empty()) {
        w.work(*s);
        break;
      }
    w.bury();
  }
  for (auto* a : all) BOOST_TEST(a->how[0] == "done");
  BOOST_TEST(w.workers.empty());
}

BOOST_AUTO_TEST_CASE(closing_an_unused_pool_ends_at_once) {
  world w(limits_of(2));
  w.rules.close(w.now);
  w.carry_out();
  BOOST_TEST(w.drained);
}

BOOST_AUTO_TEST_CASE(what_comes_after_the_end_is_run_and_ends_again) {
  world w(limits_of(1));
  w.rules.close(w.now);
  w.carry_out();
  BOOST_TEST(w.drained);
  w.drained = false;
  auto& late = w.ask(); // an imap that is read on
  BOOST_TEST(!w.rules.ended());
  w.start_all();
  w.work(w.worker(0));
  BOOST_TEST(late.how[0] == "done");
  BOOST_TEST(w.worker(0).leaving);
  w.bury();
  BOOST_TEST(w.drained);
}

BOOST_AUTO_TEST_CASE(a_worker_that_does_not_leave_is_killed) {
  policy::limits set = limits_of(1);
  set.max_tasks = 1;
  set.grace = 5s;
  world w(set);
  w.leavers_hang = true;
  auto& first = w.ask();
  w.start_all();
  world::sim& hangs = w.worker(0);
  w.work(hangs);
  BOOST_TEST(first.how[0] == "done");
  BOOST_TEST(hangs.leaving);
  w.pass(4999ms);
  BOOST_TEST(!hangs.dead);
  w.pass(1ms);
  BOOST_TEST(hangs.dead);
  w.bury();
  w.start_all(); // the one in its place, and no other
  BOOST_TEST(w.up() == 1u);
  BOOST_TEST(w.rules.statistics().restarted == 1u);

  w.rules.close(w.now);
  w.carry_out();
  BOOST_TEST(w.worker(0).leaving);
  w.pass(5s);
  BOOST_TEST(!w.drained);
  w.bury();
  BOOST_TEST(w.drained);
  BOOST_TEST(!w.rules.wakeup().has_value());
}

BOOST_AUTO_TEST_CASE(terminate_fails_the_rest) {
  world w(limits_of(1));
  auto& runs = w.ask();
  auto& waits = w.ask();
  auto& program = w.ask_program();
  w.start_all();
  w.begin(w.worker(0));
  w.rules.terminate();
  w.carry_out();
  BOOST_TEST(runs.how[0] == "terminated");
  BOOST_TEST(waits.how[0] == "terminated");
  BOOST_TEST(program.how[0] == "terminated");
  BOOST_TEST(!w.drained);
  w.bury();
  BOOST_TEST(w.drained);
}

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
      if (auto* s = some_worker(); s && s->item_runs && !s->dead) w.finish(*s, below(2) == 0);
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
