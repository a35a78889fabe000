// The policy's line of units, and who has which of them.
#include "pool/policy.hpp"

#include <algorithm>
#include <utility>

namespace coproc::detail {

namespace {

/// What a part of a divisible unit may be expected to take, ns.
constexpr std::int64_t largest_part = 500'000;

std::int64_t nanoseconds(pool_policy::duration d) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(d).count();
}

} // namespace

pool_policy::unit& pool_policy::make_unit(const unit& like) {
  if (!free_) {
    constexpr std::size_t block = 256;
    blocks_.push_back(std::make_unique<unit[]>(block));
    for (std::size_t i = 0; i != block; ++i) {
      blocks_.back()[i].next = free_;
      free_ = &blocks_.back()[i];
    }
  }
  unit& made = *free_;
  free_ = made.next;
  made = like;
  made.previous = made.next = nullptr;
  made.by = nullptr;
  made.queued = false;
  return made;
}

void pool_policy::release(unit& u) {
  u = unit();
  u.next = free_;
  free_ = &u;
}

void pool_policy::push_back(unit& u) {
  u.previous = last_;
  u.next = nullptr;
  (last_ ? last_->next : first_) = &u;
  last_ = &u;
  u.queued = true;
  queued_items_ += u.count;
  if (u.kind == unit_kind::task) ++line_tasks_;
}

void pool_policy::push_in_order(unit& u) {
  // It is older than nearly all that wait.
  unit* before = first_;
  while (before && (before->order < u.order || (before->order == u.order && before->first < u.first)))
    before = before->next;
  if (!before) return push_back(u);
  u.next = before;
  u.previous = before->previous;
  (before->previous ? before->previous->next : first_) = &u;
  before->previous = &u;
  u.queued = true;
  queued_items_ += u.count;
  if (u.kind == unit_kind::task) ++line_tasks_;
}

void pool_policy::remove(unit& u) {
  (u.previous ? u.previous->next : first_) = u.next;
  (u.next ? u.next->previous : last_) = u.previous;
  u.previous = u.next = nullptr;
  u.queued = false;
  queued_items_ -= u.count;
  if (u.kind == unit_kind::task) --line_tasks_;
}

void pool_policy::settle(unit& u, std::uint32_t first, std::uint32_t count, outcome how) {
  if (count == 0) return;
  (how == outcome::cancelled ? cancelled_ : failed_) += count;
  action a{action_kind::settle};
  a.what = &u;
  a.owner = u.owner;
  a.first = first;
  a.count = count;
  a.how = how;
  act(a);
}

/// All that has no result; the unit is neither in the line nor with a worker any more.
void pool_policy::settle_rest(unit& u, outcome how) {
  settle(u, u.first + u.done, u.count - u.done, how);
  release(u);
}

void pool_policy::fail_line(outcome how) {
  for (unit *u = first_, *next = nullptr; u; u = next) {
    next = u->next;
    if (u->kind != unit_kind::task) continue;
    remove(*u);
    settle_rest(*u, how);
  }
}

/// The first @p count items of a unit in the line, which keeps the others.
pool_policy::unit& pool_policy::cut(unit& u, std::uint32_t count) {
  unit& part = make_unit(u);
  part.count = count;
  u.first += count;
  u.count -= count;
  queued_items_ -= count;
  return part;
}

void pool_policy::hand(worker& w, unit& u, time_point now) {
  const std::int64_t each = known(u.target);
  std::size_t most = u.count;
  if (set_.max_tasks != 0) most = std::min(most, set_.max_tasks - w.given);
  // What one item takes may have turned out more since the size of the unit was chosen.
  if (u.divisible && each != 0)
    most = std::min(most, static_cast<std::size_t>(std::max<std::int64_t>(largest_part / each, 1)));
  unit* given = &u;
  if (most < u.count)
    given = &cut(u, static_cast<std::uint32_t>(most));
  else
    remove(u);
  if (w.handed.empty()) {
    ++slots_;
    w.since = now;
  }
  given->cost = given->alone ? nanoseconds(set_.budget) : each * given->count;
  given->by = &w;
  w.load += given->cost;
  w.given += given->count;
  w.handed.push_back(given);
  handed_items_ += given->count;
  action a{action_kind::hand};
  a.who = &w;
  a.what = given;
  act(a);
}

/// The unit leaves its worker, with what is not done.
void pool_policy::detach(worker& w, unit& u) {
  if (!w.handed.empty() && w.handed.front() == &u)
    w.handed.pop_front();
  else
    w.handed.erase(std::find(w.handed.begin(), w.handed.end(), &u));
  w.load -= u.cost;
  handed_items_ -= u.count - u.done;
  u.by = nullptr;
  u.sequence = 0;
  if (w.handed.empty()) {
    --slots_;
    w.stalled = w.full = w.late = false;
  }
}

void pool_policy::requeue(unit& u) {
  u.first += u.done;
  u.count -= u.done;
  u.done = 0;
  if (u.count == 0)
    release(u);
  else
    push_in_order(u);
}

/// A worker keeps the item of its first unit that it runs, and no more of them.
void pool_policy::take_rest_back(worker& w, unit& u) {
  const std::uint32_t kept = u.done + 1;
  if (kept == u.count) return;
  unit& rest = make_unit(u);
  rest.first += kept;
  rest.count -= kept;
  rest.done = 0;
  rest.sequence = 0;
  rest.attempts = set_.retries;
  rest.divisible = true; // lest all of it waits behind the next long item
  handed_items_ -= rest.count;
  w.given -= rest.count;
  u.count = kept;
  stop_after(w, u);
  push_in_order(rest);
}

pool_policy::worker* pool_policy::idle_worker() const {
  for (const auto& w : workers_)
    if (usable(*w) && w->handed.empty() && !w->stalled && !w->freezing && !w->worn) return w.get();
  return nullptr;
}

/// @returns one that has work, and so little that @p u may wait for the end of it.
pool_policy::worker* pool_policy::worker_ahead(const unit& u, time_point now) const {
  if (u.alone || known(u.target) == 0) return nullptr;
  const std::int64_t cost = known(u.target) * u.count;
  const std::int64_t budget = nanoseconds(set_.budget);
  worker* best = nullptr;
  for (const auto& w : workers_) {
    if (!usable(*w) || w->handed.empty() || w->stalled || w->full || w->freezing || w->worn) continue;
    if (now - w->since >= set_.patience) continue; // what it does may be long
    if (w->load + cost > budget || w->handed.size() >= set_.ahead) continue;
    if (set_.max_tasks != 0 && w->given + u.count > set_.max_tasks) continue;
    if (!best || w->load < best->load) best = w.get();
  }
  return best;
}

void pool_policy::dispatch(time_point now) {
  while (first_) {
    unit& u = *first_;
    if (u.kind == unit_kind::program) {
      if (slots_ >= set_.size) break;
      remove(u);
      ++slots_;
      ++programs_;
      running_programs_.push_back(&u);
      action a{action_kind::run_program};
      a.what = &u;
      a.owner = u.owner;
      act(a);
      continue;
    }
    worker* w = slots_ < set_.size ? idle_worker() : nullptr;
    if (!w) w = worker_ahead(u, now);
    if (!w) break;
    hand(*w, u, now);
  }
  start_workers(now);
}

} // namespace coproc::detail
