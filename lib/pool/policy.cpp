#include "pool/policy.hpp"

#include <algorithm>
#include <utility>

namespace coproc::detail {

namespace {

constexpr auto first_backoff = std::chrono::milliseconds(5);
constexpr auto longest_backoff = std::chrono::milliseconds(500);
constexpr auto longest_backoff_at_work = std::chrono::milliseconds(20);
constexpr unsigned deaths_without_backoff = 3;

pool_policy::duration backoff(unsigned failures, pool_policy::duration longest) {
  pool_policy::duration wait = first_backoff;
  for (unsigned i = 1; i < failures && wait < longest; ++i) wait *= 2;
  return std::min(wait, longest);
}

std::int64_t nanoseconds(pool_policy::duration d) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(d).count();
}

} // namespace

pool_policy::pool_policy(limits set) : set_(set) { set_.size = std::max<std::size_t>(set_.size, 1); }

pool_policy::~pool_policy() = default;

// ---- units, and the line that they wait in

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

// ---- who has what

void pool_policy::hand(worker& w, unit& u, time_point now) {
  unit* given = &u;
  if (set_.max_tasks != 0 && u.count > set_.max_tasks - w.given) {
    const auto part = static_cast<std::uint32_t>(set_.max_tasks - w.given);
    given = &make_unit(u);
    given->count = part;
    u.first += part;
    u.count -= part;
    queued_items_ -= part;
  } else {
    remove(u);
  }
  if (w.handed.empty()) {
    ++slots_;
    w.since = now;
  }
  const std::int64_t each = given->target < expected_.size() ? expected_[given->target] : 0;
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
    w.stalled = false;
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

pool_policy::worker* pool_policy::idle_worker() const {
  for (const auto& w : workers_)
    if (usable(*w) && w->handed.empty() && !w->stalled && !w->freezing && !w->worn) return w.get();
  return nullptr;
}

pool_policy::worker* pool_policy::worker_ahead(const unit& u) const {
  if (u.alone || u.target >= expected_.size() || expected_[u.target] == 0) return nullptr;
  const std::int64_t cost = expected_[u.target] * u.count;
  const std::int64_t budget = nanoseconds(set_.budget);
  worker* best = nullptr;
  for (const auto& w : workers_) {
    if (!usable(*w) || w->handed.empty() || w->stalled || w->freezing || w->worn) continue;
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
    if (!w) w = worker_ahead(u);
    if (!w) break;
    hand(*w, u, now);
  }
  start_workers(now);
}

// ---- workers

std::size_t pool_policy::count_present() const {
  return static_cast<std::size_t>(
      std::count_if(workers_.begin(), workers_.end(), [&](const auto& w) { return present(*w); }));
}

bool pool_policy::wants_worker() const {
  if (line_tasks_ == 0) return false;
  std::size_t there = 0, free = 0;
  for (const auto& w : workers_) {
    if (!present(*w)) continue;
    ++there;
    if (w->handed.empty()) ++free;
  }
  return there < set_.size && slots_ < set_.size && std::min(line_tasks_, set_.size - slots_) > free;
}

void pool_policy::start_workers(time_point now) {
  if (terminated_) return;
  for (;;) {
    const bool replace = replace_now_ && !closed_ && owed_ != 0 && count_present() < set_.size;
    if (!replace) replace_now_ = false;
    if (!replace && !wants_worker()) return;
    if (now < not_before_) return;
    if (owed_ != 0) {
      --owed_;
      ++restarted_;
    }
    workers_.push_back(std::make_unique<worker>());
    worker& w = *workers_.back();
    w.id = next_id_++;
    w.since = now;
    action a{action_kind::start};
    a.who = &w;
    act(a);
  }
}

/// @returns whether there is a worker beside @p w that proves that the tasks in the line can be run. Where
/// workers die at work, that is one which has finished something: the others may be about to die, too.
bool pool_policy::others_work(const worker& w, bool at_start) const {
  return std::any_of(workers_.begin(), workers_.end(), [&](const auto& other) {
    return other.get() != &w && usable(*other) && (at_start || other->finished != 0);
  });
}

void pool_policy::after_death(const worker& w, bool at_start, time_point now) {
  ++owed_;
  unsigned& count = at_start ? at_start_ : at_work_;
  const unsigned limit = at_start ? set_.deaths_at_start : set_.deaths_at_work;
  ++count;
  if (count >= limit && !others_work(w, at_start)) {
    // The next one that is submitted is tried once more: what was wrong may be over by then.
    count = limit - 1;
    replace_now_ = false;
    fail_line(outcome::gave_up);
    return;
  }
  if (at_start) {
    not_before_ = now + backoff(count, longest_backoff);
    return;
  }
  replace_now_ = true;
  if (count > deaths_without_backoff)
    not_before_ = now + backoff(count - deaths_without_backoff, longest_backoff_at_work);
}

void pool_policy::freeze(worker& w) {
  if (w.freezing) return;
  w.freezing = true;
  action a{action_kind::freeze};
  a.who = &w;
  act(a);
}

void pool_policy::learn(std::uint32_t target, duration took) {
  if (target >= expected_.size()) expected_.resize(target + 1);
  std::int64_t& known = expected_[target];
  const std::int64_t sample = std::max<std::int64_t>(nanoseconds(took), 1);
  // One that takes long is believed at once, one that is short bit by bit: waiting behind a long one costs
  // more.
  if (known == 0 || sample > 4 * known)
    known = sample;
  else
    known = std::max<std::int64_t>(known + (sample - known) / 8, 1);
}

void pool_policy::retire(worker& w, time_point now) {
  w.state = worker_state::leaving;
  w.since = now;
  action a{action_kind::retire};
  a.who = &w;
  act(a);
}

void pool_policy::leave_if_done(time_point now) {
  if (!closed_ || drained_) return;
  if (first_ || slots_ != 0) return;
  for (const auto& w : workers_) {
    if (usable(*w))
      retire(*w, now);
    else if (present(*w))
      condemn(*w);
  }
  if (!workers_.empty() || programs_ != 0) return;
  drained_ = true;
  act({action_kind::drained});
}

// ---- what happens

pool_policy::unit& pool_policy::submit(void* owner, unit_kind kind, std::uint32_t count, std::uint32_t target,
                                       bool alone, time_point now) {
  unit like;
  like.owner = owner;
  like.kind = kind;
  like.count = count;
  like.target = target;
  like.alone = alone;
  like.attempts = set_.retries;
  like.order = next_order_++;
  unit& made = make_unit(like);
  push_back(made);
  drained_ = false; // the rest of an imap that is read after close()
  // With others before it in the line nothing can be done that was not done when they came.
  if (first_ == &made || wants_worker()) dispatch(now);
  return made;
}

void pool_policy::cancel(unit& u, verdict how, time_point now) {
  if (u.queued) {
    remove(u);
    settle_rest(u, outcome::cancelled);
    dispatch(now);
    leave_if_done(now);
  } else if (u.kind == unit_kind::program) {
    if (u.fate != verdict::none) return;
    u.fate = how;
    action a{action_kind::stop_program};
    a.what = &u;
    a.owner = u.owner;
    act(a);
  } else if (u.by) {
    if (u.fate == verdict::none || (u.fate == verdict::dropped && how == verdict::cancelled)) u.fate = how;
    if (usable(*u.by)) freeze(*u.by);
  }
}

void pool_policy::cancel_owner(void* owner, verdict how, time_point now) {
  for (unit *u = first_, *next = nullptr; u; u = next) {
    next = u->next;
    if (u->owner != owner) continue;
    remove(*u);
    settle_rest(*u, outcome::cancelled);
  }
  for (const auto& w : workers_)
    for (unit* u : w->handed)
      if (u->owner == owner) cancel(*u, how, now);
  for (unit* u : running_programs_)
    if (u->owner == owner) cancel(*u, how, now);
  dispatch(now);
  leave_if_done(now);
}

void pool_policy::started(worker& w, time_point now) {
  start_failures_ = 0;
  if (w.state != worker_state::starting) return;
  w.state = set_.initializer ? worker_state::initialising : worker_state::ready;
  w.since = now;
  dispatch(now);
  leave_if_done(now);
}

void pool_policy::start_failed(worker& w, hope left, time_point now) {
  std::erase_if(workers_, [&](const auto& other) { return other.get() == &w; });
  replace_now_ = false;
  ++start_failures_;
  if (left == hope::none) {
    fail_line(outcome::start_failed);
  } else {
    not_before_ = now + backoff(start_failures_, longest_backoff);
    unit* first = first_;
    while (first && first->kind != unit_kind::task) first = first->next;
    if (first && count_present() == 0 && !terminated_) {
      remove(*first);
      settle_rest(*first, outcome::start_failed);
    }
  }
  dispatch(now);
  leave_if_done(now);
}

void pool_policy::initialised(worker& w, time_point now) {
  if (w.state != worker_state::initialising) return;
  w.state = worker_state::ready;
  w.since = now;
  dispatch(now);
  leave_if_done(now);
}

void pool_policy::initializer_failed(worker& w, time_point now) {
  if (w.state != worker_state::initialising) return;
  w.state = worker_state::killed;
  action a{action_kind::kill};
  a.who = &w;
  act(a);
  after_death(w, true, now);
  --owed_; // its end will say so
  dispatch(now);
  leave_if_done(now);
}

bool pool_policy::items_done(worker& w, std::uint32_t succeeded, std::uint32_t failed, bool last,
                             duration busy, time_point now) {
  if (w.handed.empty()) return false;
  unit& u = *w.handed.front();
  const std::uint32_t n = std::min(succeeded + failed, u.count - u.done);
  w.since = now;
  w.finished += n;
  at_start_ = at_work_ = 0;
  if (n != 0) learn(u.target, busy);
  const bool wanted = u.fate == verdict::none;
  if (wanted) {
    completed_ += std::min(succeeded, n);
    failed_ += n - std::min(succeeded, n);
  } else {
    settle(u, u.first + u.done, n, u.fate == verdict::timed_out ? outcome::timed_out : outcome::cancelled);
    if (u.fate == verdict::timed_out && n != 0) u.fate = verdict::none; // that was this item's
  }
  u.done += n;
  handed_items_ -= n;
  if (n != 0) u.attempts = set_.retries;
  if (!last && u.done != u.count) return wanted;

  detach(w, u);
  if (u.done == u.count)
    release(u);
  else if (u.fate != verdict::none)
    settle_rest(u, outcome::cancelled);
  else
    requeue(u);
  w.stalled = false;
  if (set_.max_tasks != 0 && w.given >= set_.max_tasks) w.worn = true;
  if (w.worn && w.handed.empty()) wears_out(w, now);
  if (first_ || owed_ != 0) dispatch(now);
  if (closed_) leave_if_done(now);
  return wanted;
}

void pool_policy::frozen(worker& w, bool item_runs, time_point item_since, time_point now) {
  w.freezing = false;
  if (w.state == worker_state::killed) return;
  bool kill = false, give_back = w.worn;
  if (!w.handed.empty()) {
    unit& u = *w.handed.front();
    const bool limited = set_.task_timeout > duration::zero();
    if (item_runs) {
      w.since = item_since;
      if (u.fate == verdict::cancelled) {
        kill = true;
      } else if (limited && now - item_since >= set_.task_timeout) {
        kill = true;
        if (u.fate == verdict::none) u.fate = verdict::timed_out;
      } else {
        if (u.fate == verdict::dropped) {
          action a{action_kind::stop_after};
          a.who = &w;
          a.what = &u;
          a.place = u.place;
          act(a);
        }
        if (now - item_since >= set_.patience) {
          give_back = w.stalled = true;
          learn(u.target, now - item_since);
        }
      }
    } else if (limited && now - w.since >= set_.task_timeout) {
      // It does not even begin: somebody has stopped it, or the machine is overloaded. Once can be that.
      if (w.stalled) kill = true;
      give_back = w.stalled = true;
      w.since = now;
    }
  }
  for (std::size_t i = w.handed.size(); i-- > (item_runs ? 1u : 0u);) {
    unit& u = *w.handed[i];
    if (!kill && u.fate == verdict::none && !(give_back && (i != 0 || w.worn))) continue;
    action a{action_kind::take_back};
    a.who = &w;
    a.what = &u;
    a.place = u.place;
    act(a);
    w.given -= u.count - u.done;
    detach(w, u);
    if (u.fate != verdict::none)
      settle_rest(u, outcome::cancelled);
    else
      requeue(u);
  }
  if (give_back && !w.handed.empty()) w.stalled = true;
  if (kill) w.state = worker_state::killed;
  action a{kill ? action_kind::kill : action_kind::thaw};
  a.who = &w;
  act(a);
  if (w.worn && w.handed.empty()) wears_out(w, now);
  dispatch(now);
  leave_if_done(now);
}

void pool_policy::no_room(worker& w, unit& u, time_point now) {
  w.given -= u.count;
  detach(w, u);
  requeue(u);
  w.stalled = true;
  w.since = now;
}

void pool_policy::unhandable(worker& w, unit& u, time_point now) {
  failed_ += u.count - u.done;
  w.given -= u.count;
  detach(w, u);
  release(u);
  dispatch(now);
  leave_if_done(now);
}

void pool_policy::condemn(worker& w) {
  if (w.state == worker_state::killed) return;
  w.state = worker_state::killed;
  action a{action_kind::kill};
  a.who = &w;
  act(a);
}

void pool_policy::wears_out(worker& w, time_point now) {
  if (!usable(w)) return;
  w.worn = true;
  if (!w.handed.empty()) return freeze(w);
  retire(w, now);
  if (!closed_) {
    ++owed_;
    replace_now_ = true;
  }
  dispatch(now);
}

void pool_policy::ended(worker& w, bool item_runs, time_point now) {
  const worker_state before = w.state;
  const bool at_start = before == worker_state::starting || before == worker_state::initialising ||
                        (before == worker_state::ready && w.finished == 0 && !item_runs);
  w.state = worker_state::killed;
  bool first = true;
  while (!w.handed.empty()) {
    unit& u = *w.handed.front();
    detach(w, u);
    const verdict fate = u.fate;
    if (std::exchange(first, false) && item_runs && u.done != u.count) {
      const std::uint32_t item = u.first + u.done;
      if (fate == verdict::none && u.attempts > 0 && u.count == 1) {
        --u.attempts; // the same unit: its owner knows it
        requeue(u);
        continue;
      }
      if (fate == verdict::none && u.attempts > 0) {
        unit& again = make_unit(u);
        again.first = item;
        again.count = 1;
        again.done = 0;
        --again.attempts;
        push_in_order(again);
      } else {
        settle(u, item, 1,
               fate == verdict::none        ? outcome::died
               : fate == verdict::timed_out ? outcome::timed_out
                                            : outcome::cancelled);
      }
      ++u.done;
      u.attempts = set_.retries;
      if (fate == verdict::timed_out) u.fate = verdict::none;
    }
    if (u.fate == verdict::cancelled || u.fate == verdict::dropped)
      settle_rest(u, outcome::cancelled);
    else
      requeue(u);
  }
  if (before == worker_state::killed) {
    ++owed_;
    replace_now_ = replace_now_ || at_start_ == 0;
  } else if (before != worker_state::leaving) {
    after_death(w, at_start, now);
  }
  std::erase_if(workers_, [&](const auto& other) { return other.get() == &w; });
  dispatch(now);
  leave_if_done(now);
}

void pool_policy::program_ended(unit& u, program_result how, time_point now) {
  if (u.fate != verdict::none) how = program_result::cancelled;
  ++(how == program_result::cancelled ? cancelled_ : how == program_result::failed ? failed_ : completed_);
  --slots_;
  --programs_;
  std::erase(running_programs_, &u);
  release(u);
  dispatch(now);
  leave_if_done(now);
}

void pool_policy::close(time_point now) {
  closed_ = true;
  dispatch(now);
  leave_if_done(now);
}

void pool_policy::terminate() {
  closed_ = terminated_ = true;
  while (first_) {
    unit& u = *first_;
    remove(u);
    settle_rest(u, outcome::terminated);
  }
  for (const auto& w : workers_) {
    while (!w->handed.empty()) {
      unit& u = *w->handed.front();
      detach(*w, u);
      settle_rest(u, u.fate == verdict::none        ? outcome::terminated
                     : u.fate == verdict::timed_out ? outcome::timed_out
                                                    : outcome::cancelled);
    }
    condemn(*w);
  }
  for (unit* u : running_programs_) {
    if (u->fate != verdict::none) continue;
    u->fate = verdict::cancelled;
    action a{action_kind::stop_program};
    a.what = u;
    a.owner = u->owner;
    act(a);
  }
  leave_if_done(time_point()); // nobody is left to leave
}

void pool_policy::tick(time_point now) {
  for (const auto& w : workers_) {
    if (leaves(*w) && now >= w->since + set_.grace) {
      w->overdue = true;
      action a{action_kind::kill};
      a.who = w.get();
      act(a);
    }
    if (!usable(*w) || w->freezing) continue;
    if (w->handed.empty()) {
      if (w->stalled && now >= w->since + set_.patience) w->stalled = false;
      continue;
    }
    const bool late = set_.task_timeout > duration::zero() && now >= w->since + set_.task_timeout;
    const bool slow = w->handed.size() > 1 && !w->stalled && now >= w->since + set_.patience;
    if (late || slow) freeze(*w);
  }
  dispatch(now);
}

std::optional<pool_policy::time_point> pool_policy::wakeup() const {
  std::optional<time_point> next;
  auto at = [&](time_point when) {
    if (!next || when < *next) next = when;
  };
  for (const auto& w : workers_) {
    if (leaves(*w)) at(w->since + set_.grace);
    if (!usable(*w) || w->freezing) continue;
    if (w->handed.empty()) {
      if (w->stalled) at(w->since + set_.patience);
      continue;
    }
    if (set_.task_timeout > duration::zero()) {
      const bool ever = time_point::max() - w->since > set_.task_timeout;
      if (ever) at(w->since + set_.task_timeout);
    }
    if (w->handed.size() > 1 && !w->stalled) at(w->since + set_.patience);
  }
  if (!terminated_ && not_before_ != time_point() &&
      ((replace_now_ && !closed_ && owed_ != 0 && count_present() < set_.size) || wants_worker()))
    at(not_before_);
  return next;
}

std::optional<pool_policy::action> pool_policy::next_action() {
  if (actions_.empty()) return std::nullopt;
  action a = actions_.front();
  actions_.pop_front();
  return a;
}

pool_policy::duration pool_policy::expected(std::uint32_t target) const {
  if (target >= expected_.size()) return {};
  return std::chrono::duration_cast<duration>(std::chrono::nanoseconds(expected_[target]));
}

pool_policy::counts pool_policy::statistics() const {
  counts now;
  std::size_t at_work = 0;
  for (const auto& w : workers_) {
    if (w->state == worker_state::ready || w->state == worker_state::initialising) ++now.workers;
    if (usable(*w) && w->handed.empty()) ++now.idle;
    if (!w->handed.empty()) ++at_work;
  }
  now.running = at_work + programs_;
  now.queued = queued_items_ + handed_items_ - at_work;
  now.completed = completed_;
  now.failed = failed_;
  now.cancelled = cancelled_;
  now.restarted = restarted_;
  return now;
}

bool pool_policy::active() const noexcept {
  if (first_ || slots_ != 0) return true;
  return std::any_of(workers_.begin(), workers_.end(),
                     [&](const auto& w) { return w->state != worker_state::ready; });
}

} // namespace coproc::detail
