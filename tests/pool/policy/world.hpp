#pragma once

#include "pool/policy.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

/// What the tests of the pool's policy run it in: a simulated world, with a clock of its own and no process.
namespace coproc::test::policy_world {

using policy = coproc::detail::pool_policy;
using namespace std::chrono_literals;

policy::limits limits_of(std::size_t size);

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
    bool waits_for_room = false; ///< What runs has finished, and its result is not there.
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
  std::size_t room = 1'000'000; ///< In each worker, for so many units.

  asker& ask(std::uint32_t items = 1, std::uint32_t target = 0, policy::traits how = {});
  asker& ask_program();

  /// Of those that are up, in the order in which they were started: the map has them by address.
  sim& worker(std::size_t index);
  std::size_t up() const;

  void start_all();
  void start_one(bool works, policy::hope left = policy::hope::later);

  /// The worker begins its next item. @returns whether there was one.
  bool begin(sim& s);
  /// It finishes that item; the result stays unread if @p quietly.
  void finish(sim& s, bool quietly = false);
  /// The same, with no room for the result: it is there after finish().
  void finish_without_room(sim& s) { s.waits_for_room = true; }
  void work(sim& s);
  void read(sim& s);
  void die(sim& s);
  void end(sim& s);

  void pass(policy::duration time);
  std::size_t running() const;
  void cancel(asker& a, policy::verdict how = policy::verdict::cancelled);
  void carry_out();
  void program_ends(policy::unit* u, bool well = true);

  /// Those that were killed end, and those that were told to leave unless they hang.
  void bury();

  std::vector<std::unique_ptr<asker>> askers;
  std::map<asker*, policy::unit*> unit_of;
};

} // namespace coproc::test::policy_world
