// What happens to the pool, and what follows from that.
#include "pool/policy.hpp"

#include <algorithm>
#include <utility>

namespace coproc::detail {

pool_policy::pool_policy(limits set) : set_(set) { set_.size = std::max<std::size_t>(set_.size, 1); }

pool_policy::~pool_policy() = default;

pool_policy::unit& pool_policy::submit(void* owner, unit_kind kind, std::uint32_t count, std::uint32_t target,
                                       traits how, time_point now) {
  unit like;
  like.owner = owner;
  like.kind = kind;
  like.count = count;
  like.target = target;
  like.alone = how.alone;
  like.divisible = how.divisible;
  like.pends = how.pends;
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

bool pool_policy::items_done(worker& w, std::uint32_t succeeded, std::uint32_t failed, bool last,
                             duration busy, time_point now) {
  if (w.handed.empty()) return false;
  unit& u = *w.handed.front();
  const std::uint32_t n = std::min(succeeded + failed, u.count - u.done);
  w.since = now;
  w.late = false;
  w.finished += n;
  at_start_ = at_work_ = 0;
  const bool surprise = n != 0 && learn(u.target, busy);
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
  if (!last && u.done != u.count) {
    if (surprise) share_out();
    return wanted;
  }

  detach(w, u);
  if (u.done == u.count)
    release(u);
  else if (u.fate != verdict::none)
    settle_rest(u, outcome::cancelled);
  else
    requeue(u);
  w.stalled = w.full = false;
  if (set_.max_tasks != 0 && w.given >= set_.max_tasks) w.worn = true;
  if (w.worn && w.handed.empty()) wears_out(w, now);
  if (first_ || owed_ != 0) dispatch(now);
  if (surprise || w.handed.empty()) share_out();
  if (closed_) leave_if_done(now);
  return wanted;
}

void pool_policy::frozen(worker& w, item_state item, time_point item_since, time_point now) {
  const bool begun = item != item_state::waiting, runs = item == item_state::running;
  w.freezing = false;
  const bool sharing = std::exchange(w.sharing, false);
  if (w.state == worker_state::killed) return;
  bool kill = false, give_back = w.worn || sharing;
  if (!w.handed.empty()) {
    unit& u = *w.handed.front();
    const bool limited = set_.task_timeout > duration::zero();
    // Without a limit the start of each item is not noted, but that of the unit.
    if (runs) w.since = limited ? item_since : std::max(w.since, item_since);
    const duration passed = now - w.since;
    if (begun && u.fate == verdict::cancelled) {
      kill = true;
    } else if (limited && passed >= set_.task_timeout) {
      if (runs) {
        kill = true;
      } else {
        // It does not even begin, or give what it has: somebody has stopped it, or the machine is overloaded.
        // Once can be that.
        kill = std::exchange(w.late, true);
        give_back = w.stalled = true;
        w.since = now;
      }
      if (kill && begun && u.fate == verdict::none) u.fate = verdict::timed_out;
    } else {
      const bool slow = passed >= set_.patience;
      if (slow) give_back = w.stalled = true;
      if (slow && !runs) w.look = now + 10 * set_.patience;
      if (slow && runs) learn(u.target, passed);
      if (begun && u.fate == verdict::dropped)
        stop_after(w, u);
      else if (begun && u.fate == verdict::none && (slow || (sharing && u.divisible)))
        take_rest_back(w, u);
    }
  }
  for (std::size_t i = w.handed.size(); i-- > (begun ? 1u : 0u);) {
    unit& u = *w.handed[i];
    const bool back = give_back && (i != 0 || w.worn || (sharing && u.divisible));
    if (!kill && u.fate == verdict::none && !back) continue;
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
  if (kill) {
    w.state = worker_state::killed;
    ++owed_;
  }
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
  if (u.fate != verdict::none)
    settle_rest(u, outcome::cancelled);
  else
    requeue(u);
  if (!w.handed.empty()) {
    w.full = true;
  } else {
    w.stalled = true; // and tried again in a while
    w.since = now;
  }
  if (w.worn && w.handed.empty()) wears_out(w, now);
  dispatch(now); // somebody else may have room
  leave_if_done(now);
}

void pool_policy::unhandable(worker& w, unit& u, time_point now) {
  failed_ += u.count - u.done;
  w.given -= u.count;
  detach(w, u);
  release(u);
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
  // What a result leads to may call this before its actions are carried out. The units are released here.
  std::erase_if(actions_, [](const action& a) { return a.kind == action_kind::hand; });
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
    put_down(*w);
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
    const bool slow = waits_behind_first(*w) && now >= slow_at(*w);
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
    if (waits_behind_first(*w)) at(slow_at(*w));
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

std::size_t pool_policy::slots_of_others() const {
  const auto is_other = [](const auto& w) { return !w->handed.empty() && !w->handed.front()->pends; };
  return programs_ + static_cast<std::size_t>(std::count_if(workers_.begin(), workers_.end(), is_other));
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
