#include "pool/policy/world.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <iterator>
#include <stdexcept>

namespace coproc::test::policy_world {

policy::limits limits_of(std::size_t size) {
  policy::limits set;
  set.size = size;
  return set;
}

namespace {

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

policy::item_state state_of(const world::sim& s) {
  if (!s.item_runs) return policy::item_state::waiting;
  return s.waits_for_room ? policy::item_state::finished : policy::item_state::running;
}

} // namespace

asker& world::ask(std::uint32_t items, std::uint32_t target, policy::traits how) {
  askers.push_back(std::make_unique<asker>(items));
  unit_of[askers.back().get()] =
      &rules.submit(askers.back().get(), policy::unit_kind::task, items, target, how, now);
  carry_out();
  return *askers.back();
}

asker& world::ask_program() {
  askers.push_back(std::make_unique<asker>(1));
  askers.back()->kind = policy::unit_kind::program;
  unit_of[askers.back().get()] =
      &rules.submit(askers.back().get(), policy::unit_kind::program, 1, 0, {}, now);
  carry_out();
  return *askers.back();
}

world::sim& world::worker(std::size_t index) {
  std::map<std::size_t, sim*> all;
  for (auto& [who, s] : workers)
    if (s->up && !s->dead) all.emplace(s->number, s.get());
  if (index >= all.size()) throw std::logic_error("no such worker");
  return *std::next(all.begin(), static_cast<std::ptrdiff_t>(index))->second;
}

std::size_t world::up() const {
  return static_cast<std::size_t>(
      std::count_if(workers.begin(), workers.end(), [](auto& w) { return w.second->up && !w.second->dead; }));
}

void world::start_all() {
  while (!starting.empty()) start_one(true);
}

void world::start_one(bool works, policy::hope left) {
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

bool world::begin(sim& s) {
  if (!s.up || s.dead || s.frozen || s.item_runs || s.todo.empty()) return false;
  entry& e = s.todo.front();
  s.item_runs = true;
  s.since = now;
  ++e.owner->starts.at(e.first + e.done);
  return true;
}

void world::finish(sim& s, bool quietly) {
  BOOST_REQUIRE(s.item_runs);
  s.item_runs = s.waits_for_room = false;
  entry& e = s.todo.front();
  ++e.done;
  s.unread.push_back({e.what, e.owner, e.first + e.done - 1, 1, 1, e.done == e.count || e.stop});
  if (e.done == e.count || e.stop) s.todo.pop_front();
  if (!quietly) read(s);
}

void world::work(sim& s) {
  BOOST_REQUIRE(begin(s));
  now += took;
  finish(s);
}

void world::read(sim& s) {
  while (!s.unread.empty()) {
    entry e = s.unread.front();
    s.unread.pop_front();
    if (s.is->handed.empty() || s.is->handed.front() != e.what) continue; // it was taken back in between
    if (rules.items_done(*s.is, 1, 0, e.stop, took, now)) e.owner->settle(e.first, "done");
  }
  carry_out();
}

void world::die(sim& s) {
  s.dead = true;
  end(s);
}

void world::end(sim& s) {
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

void world::pass(policy::duration time) {
  now += time;
  auto at = rules.wakeup();
  if (at && *at <= now) rules.tick(now);
  carry_out();
}

std::size_t world::running() const {
  return programs.size() +
         static_cast<std::size_t>(std::count_if(
             workers.begin(), workers.end(), [](auto& w) { return w.second->item_runs && !w.second->dead; }));
}

void world::cancel(asker& a, policy::verdict how) {
  // As the pool does: all units of one owner.
  a.cancelled = true;
  rules.cancel_owner(&a, how, now);
  carry_out();
}

void world::carry_out() {
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
      if (s.todo.size() >= room) {
        rules.no_room(*s.is, *a->what, now);
        log.push_back("no_room");
        break;
      }
      s.todo.push_back({a->what, static_cast<asker*>(a->what->owner), a->what->first, a->what->count});
      log.push_back("hand");
      break;
    }
    case policy::action_kind::freeze: {
      sim& s = *workers.at(a->who);
      s.frozen = true;
      read(s);
      rules.frozen(*s.is, state_of(s), s.since, now);
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

void world::program_ends(policy::unit* u, bool well) {
  auto* owner = static_cast<asker*>(u->owner);
  std::erase(programs, u);
  std::erase(stopping, u);
  owner->settle(0, well ? "done" : "failed");
  rules.program_ended(*u, well ? policy::program_result::succeeded : policy::program_result::failed, now);
  carry_out();
}

void world::bury() {
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

} // namespace coproc::test::policy_world
