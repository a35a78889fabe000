// What the policy decides, carried out; and what happens to workers and in time, told to the policy.
#include "pool/pool_state.hpp"

#include "pool/pool_worker.hpp"

#include <coproc/pool_terminated.hpp>

#include <asio/post.hpp>

#include <cstddef>
#include <utility>

namespace coproc::detail {

namespace {

/// A worker whose task runs longer is watched for its end in every way; before that its channel will do.
constexpr auto watch_after = std::chrono::milliseconds(20);

} // namespace

void pool_state::touch(pool_worker& w) noexcept {
  if (w.free_place.empty()) return; // it is there already
  w.free_place.front() = w.shared_from_this();
  touched_.splice(touched_.end(), w.free_place);
}

/// Wakes those that were given something, and sees to it that what they give is noticed.
/// @returns whether that was all.
bool pool_state::settle_touched(clock::time_point now) {
  bool all = true;
  for (std::size_t left = touched_.size(); left != 0 && !touched_.empty(); --left) {
    const std::shared_ptr<pool_worker> w = std::move(touched_.front());
    w->free_place.splice(w->free_place.end(), touched_, touched_.begin());
    if (!w->usable()) continue;
    try {
      w->drain_safely(now);
      if (!w->usable()) continue;
      w->nudge();
      if (w->arm()) continue;
    } catch (...) { // no memory: the next time, then
      touch(*w);
      throw;
    }
    touch(*w);
    all = false;
  }
  return all;
}

void pool_state::carry_on() {
  struct pumping {
    bool& on;
    ~pumping() { on = false; } // also if there is no memory
  } const until_done{pumping_ = true};
  constexpr int most_rounds = 64;
  for (int round = 0;; ++round) {
    while (auto a = policy_.next_action()) carry_out(*a);
    if (touched_.empty()) break;
    const bool all = settle_touched(clock::now());
    if (policy_.has_actions()) continue;
    if (all && touched_.empty()) break;
    if (round == most_rounds) {
      // Others want to run, too.
      asio::post(executor_, [weak = weak_from_this()] {
        if (auto self = weak.lock()) self->pump();
      });
      break;
    }
  }
}

void pool_state::pump() {
  if (pumping_ || left_to_host()) return;
  try {
    carry_on();
    let_in();
  } catch (...) {
    set_timer(); // what was begun is looked after
    throw;
  }
  if (const auto counts = policy_.statistics(); executor_ && counts.completed + counts.failed != reported_)
    reporter_.notice(*this, executor_);
  set_timer();
}

void pool_state::start(pool_policy::worker& who) {
  std::shared_ptr<pool_worker> w;
  try {
    w = std::make_shared<pool_worker>(*this, who);
    workers_.emplace(&who, w);
    who.link = w.get();
    w->start();
  } catch (...) { // no memory: another one, later
    errors_.start_failed(std::current_exception());
    if (w) w->drop();
    who.link = nullptr;
    workers_.erase(&who);
    policy_.start_failed(who, pool_policy::hope::later, clock::now());
  }
}

void pool_state::carry_out(const pool_policy::action& a) {
  using kind = pool_policy::action_kind;
  auto* owner = static_cast<pool_owner*>(a.owner);
  switch (a.kind) {
  case kind::start:
    start(*a.who);
    break;
  case kind::hand:
    worker_of(a.who).hand(*a.what, clock::now());
    break;
  case kind::freeze:
    worker_of(a.who).freeze(clock::now());
    touch(worker_of(a.who));
    break;
  case kind::take_back:
  case kind::stop_after:
    worker_of(a.who).revoke(a.place);
    break;
  case kind::thaw:
    worker_of(a.who).thaw();
    break;
  case kind::kill:
    worker_of(a.who).kill();
    break;
  case kind::retire:
    worker_of(a.who).retire();
    break;
  case kind::run_program:
    owner->begin();
    break;
  case kind::stop_program:
    owner->stop();
    break;
  case kind::settle:
    owner->fail(a.first, a.count, error_of(a));
    break;
  case kind::drained:
    joiners_.complete_all();
    break;
  }
}

std::exception_ptr pool_state::error_of(const pool_policy::action& a) const {
  const auto* owner = static_cast<const pool_owner*>(a.owner);
  if (a.how == pool_policy::outcome::terminated)
    return owner->is_operation ? end_of_operation() : std::make_exception_ptr(pool_terminated());
  if (a.how == pool_policy::outcome::cancelled) return aborted(); // which a program can be, too
  return errors_.of(a.how, name_of(owner->target), policy_.set().task_timeout);
}

void pool_state::on_ended(pool_worker& w) {
  auto keep = w.shared_from_this();
  if (left_to_host()) return;
  // What it has finished counts, though nobody has read it yet.
  w.drain_at_end(clock::now());
  pump();
  errors_.worker_ended(w.pid(), w.status());
  const bool runs = w.item_runs();
  pool_policy::worker& is = w.is();
  workers_.erase(&is);
  w.gone();
  policy_.ended(is, runs, clock::now());
  pump();
}

std::optional<pool_state::clock::time_point> pool_state::next_look() const {
  auto next = policy_.wakeup();
  for (const auto& w : policy_.workers()) {
    if (!w->link) continue;
    if (const auto at = worker_of(w.get()).look_again(); at && (!next || *at < *next)) next = at;
    if (w->handed.empty() || worker_of(w.get()).watched()) continue;
    const auto at = w->since + watch_after;
    if (!next || at < *next) next = at;
  }
  return next;
}

void pool_state::set_timer() {
  if (!timer_) return;
  const auto next = next_look();
  const bool armed = timer_at_ != clock::time_point::max();
  if (!next) {
    if (armed) stop_timer_if_idle();
    return;
  }
  if (armed && timer_at_ <= *next) return;
  timer_at_ = clock::time_point::max(); // unless the wait has begun
  timer_->expires_at(*next);
  timer_->async_wait([weak = weak_from_this()](const asio::error_code& error) {
    auto self = weak.lock();
    if (!error && self) self->on_timer();
  });
  timer_at_ = *next;
}

/// The timer must not keep the loop of an idle pool; but who has just got a result may have another task, and
/// it costs less to leave the timer alone then.
void pool_state::stop_timer_if_idle() {
  if (std::exchange(stopping_timer_, true)) return;
  asio::post(executor_, [weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self || !self->timer_) return;
    self->stopping_timer_ = false;
    if (self->next_look()) return;
    self->timer_at_ = clock::time_point::max();
    self->timer_->cancel();
  });
}

void pool_state::on_timer() {
  if (left_to_host()) return;
  timer_at_ = clock::time_point::max();
  const auto now = clock::now();
  for (const auto& w : policy_.workers()) {
    if (!w->link) continue;
    if (w->handed.empty() && !worker_of(w.get()).look_again()) continue;
    worker_of(w.get()).watch_end_at_last();
    touch(worker_of(w.get())); // its results, before it is judged
    if (!w->handed.empty() && now >= w->since + watch_after) worker_of(w.get()).watch_end();
  }
  pump();
  policy_.tick(clock::now());
  pump();
}

std::optional<progress> pool_state::progress_now() {
  if (abandoned_) return std::nullopt;
  const auto now = policy_.statistics();
  reported_ = now.completed + now.failed;
  progress state;
  state.completed = now.completed;
  state.failed = now.failed;
  state.total = total_;
  return state;
}

} // namespace coproc::detail
