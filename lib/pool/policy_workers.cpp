// The policy's workers: when there is one more, what becomes of one, and when there is no more hope.
#include "pool/policy.hpp"

#include <algorithm>
#include <new>
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

void pool_policy::stop_after(worker& w, unit& u) {
  action a{action_kind::stop_after};
  a.who = &w;
  a.what = &u;
  a.place = u.place;
  act(a);
}

/// @returns whether it took much longer than was known.
bool pool_policy::learn(std::uint32_t target, duration took) {
  if (target >= expected_.size()) {
    try {
      expected_.resize(target + 1);
    } catch (const std::bad_alloc&) {
      return false; // what it did is done, and more than this
    }
  }
  std::int64_t& known = expected_[target];
  const std::int64_t sample = std::max<std::int64_t>(nanoseconds(took), 1);
  // One that takes long is believed at once, one that is short bit by bit: waiting behind a long one costs
  // more.
  const bool longer = sample > 4 * known;
  if (known == 0 || longer)
    known = sample;
  else
    known = std::max<std::int64_t>(known + (sample - known) / 8, 1);
  return longer;
}

/// @returns whether anything would wait if the item that @p w runs were a long one.
bool pool_policy::waits_behind_first(const worker& w) const {
  if (w.handed.empty()) return false;
  const unit& first = *w.handed.front();
  return (w.handed.size() > 1 && !w.stalled) || (first.count - first.done > 1 && first.fate == verdict::none);
}

/// @returns what a worker has besides the item that it runs and could be taken back, ns.
std::int64_t pool_policy::could_give(const worker& w) const {
  std::int64_t sum = 0;
  for (std::size_t i = 0; i != w.handed.size(); ++i) {
    const unit& u = *w.handed[i];
    if (i != 0)
      sum += known(u.target) * u.count;
    else if (u.divisible)
      sum += known(u.target) * (u.count - u.done - 1);
  }
  return sum;
}

/// Where there are slots and nothing is in the line for them, those that have more work than was thought when
/// they were given it share it.
void pool_policy::share_out() {
  if (first_ || slots_ >= set_.size || terminated_) return;
  for (const auto& w : workers_) {
    if (!usable(*w) || w->freezing || w->stalled || w->handed.empty()) continue;
    if (could_give(*w) <= 2 * nanoseconds(set_.budget)) continue;
    w->sharing = true;
    freeze(*w);
  }
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
      put_down(*w);
  }
  if (!workers_.empty() || programs_ != 0) return;
  drained_ = true;
  act({action_kind::drained});
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
  if (w.state == worker_state::initialising) condemn(w, now);
}

void pool_policy::condemn(worker& w, time_point now) {
  if (w.state == worker_state::ready && w.finished == 0) {
    w.unproven = true; // whether it ran anything is known once it has ended
    kill(w);
  } else if (w.state == worker_state::starting || w.state == worker_state::initialising) {
    kill(w);
    after_death(w, true, now);
    dispatch(now);
    leave_if_done(now);
  } else {
    put_down(w);
  }
}

void pool_policy::kill(worker& w) {
  w.state = worker_state::killed;
  action a{action_kind::kill};
  a.who = &w;
  act(a);
}

/// Kills it, which is nothing that speaks against the next one.
void pool_policy::put_down(worker& w) {
  if (w.state == worker_state::killed) return;
  ++owed_; // now, since another may be started before it has ended
  kill(w);
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
                        ((before == worker_state::ready || w.unproven) && w.finished == 0 && !item_runs);
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
  if (before == worker_state::killed && !w.unproven) {
    replace_now_ = replace_now_ || at_start_ == 0;
  } else if (before != worker_state::leaving) {
    after_death(w, at_start, now);
  }
  std::erase_if(workers_, [&](const auto& other) { return other.get() == &w; });
  dispatch(now);
  leave_if_done(now);
}

} // namespace coproc::detail
