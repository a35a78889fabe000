#include "pool/pool_state.hpp"

#include "os/code_address.hpp"
#include "os/cpus.hpp"
#include "pool/pool_worker.hpp"

#include <coproc/pool_closed.hpp>
#include <coproc/pool_terminated.hpp>
#include <coproc/timeout_expired.hpp>
#include <coproc/worker_died.hpp>

#include <asio/post.hpp>
#include <asio/this_coro.hpp>

#include <algorithm>
#include <stdexcept>

namespace coproc::detail {

namespace {

/// A worker whose task runs longer is watched for its end in every way; before that its channel will do.
constexpr auto watch_after = std::chrono::milliseconds(20);

pool_policy::limits limits_of(const pool_options& options) {
  pool_policy::limits set;
  set.size = pool_access::size(options) != 0 ? pool_access::size(options) : os::usable_cpus();
  set.max_tasks = pool_access::max_tasks(options);
  set.task_timeout = pool_access::task_timeout(options);
  set.retries = pool_access::retries(options);
  set.initializer = pool_access::initializer(options).entry != nullptr;
  return set;
}

} // namespace

pool_state::pool_state(asio::any_io_executor executor, const pool_options& options)
    : executor_(std::move(executor)), method_(pool_access::method(options)),
      max_pending_(pool_access::max_pending(options)), initializer_(pool_access::initializer(options)),
      initializer_arguments_(pool_access::initializer_arguments(options)),
      report_(shared_report(pool_access::report(options))), policy_(limits_of(options)) {
  settings_.stamp_items = policy_.set().task_timeout > duration::zero();
  settings_.max_rss = pool_access::max_rss(options);
  if (initializer_.entry) initializer_number_ = number_of(initializer_);
  bind(executor_, "pool");
  timer_.emplace(executor_);
}

pool_state::~pool_state() = default;

std::uint32_t pool_state::number_of(const pool_target& target) {
  if (auto known = numbers_.find(target.entry); known != numbers_.end()) return known->second;
  target_info info;
  info.target = target;
  info.name = target.name();
  os::code_address code = os::address_of(reinterpret_cast<const void*>(target.entry));
  info.module_id = std::move(code.module_id);
  info.module_path = std::move(code.module_path);
  info.offset = code.offset;
  const auto number = static_cast<std::uint32_t>(targets_.size());
  targets_.push_back(std::move(info));
  numbers_.emplace(target.entry, number);
  return number;
}

void pool_state::require_open() const {
  if (!executor_ && !abandoned_) throw std::logic_error("pool: its execution context is gone");
  if (closing_ || abandoned_) throw pool_closed();
}

// ---- what is asked of it

void pool_state::submit(const std::shared_ptr<pool_owner>& owner, std::uint32_t items,
                        pool_policy::unit_kind kind) {
  const auto now = clock::now();
  const bool alone = kind == pool_policy::unit_kind::task &&
                     (owner->arguments.size() > largest_in_ring || owner->arguments.descriptor_count() != 0);
  owner->keep_alive();
  const pool_policy::traits how{alone, owner->divisible};
  pool_policy::unit& unit = policy_.submit(owner.get(), kind, items, owner->target, how, now);
  if (items == 1) owner->unit = &unit;
  total_ += items;
  // Somebody who submits many without awaiting any keeps the loop from reading results.
  if ((++submitted_ & 63u) == 0 && !pumping_) {
    for (const auto& w : policy_.workers())
      if (!w->handed.empty() && w->link) touch(worker_of(w.get()));
  }
  pump();
}

void pool_state::cancel(pool_owner& owner, pool_policy::verdict how) {
  const auto now = clock::now();
  if (owner.unit)
    policy_.cancel(*owner.unit, how, now);
  else
    policy_.cancel_owner(&owner, how, now);
  pump();
}

std::exception_ptr pool_state::end_of_operation() const {
  return abandoned_ ? aborted() : std::make_exception_ptr(pool_terminated());
}

void pool_state::admitted() {
  --admitted_;
  if (terminated_) std::rethrow_exception(end_of_operation());
}

void pool_state::admission_declined() {
  --admitted_;
  if (!terminated_) let_in();
}

void pool_state::program_ended(pool_owner& owner, pool_policy::program_result how) {
  if (owner.unit) policy_.program_ended(*owner.unit, how, clock::now());
  owner.release();
  if (!abandoned_) pump();
}

void pool_state::close() {
  // Those that wait to be let in have been submitted before.
  while (!admissions_.empty()) {
    ++admitted_;
    admissions_.complete_first();
  }
  closing_ = true;
  let_in();
  pump();
}

void pool_state::terminate() {
  terminated_ = true;
  closing_ = true;
  admissions_.fail_all(std::make_exception_ptr(pool_terminated()));
  policy_.terminate();
  pump();
}

asio::awaitable<void> pool_state::join(std::shared_ptr<pool_state> self) {
  self->check_use(co_await asio::this_coro::executor);
  if (!self->closing_) throw std::logic_error("pool: join() comes after close() or terminate()");
  if (self->policy_.ended()) co_return;
  auto wait = [self](suspension<bool> waiter) { self->joiners_.add(std::move(waiter)); };
  co_await suspend<bool>(std::move(wait));
}

pool_stats pool_state::stats() {
  for (const auto& w : policy_.workers())
    if (w->link && w->handed.empty() && worker_of(w.get()).has_ended()) worker_of(w.get()).watch_end();
  const auto now = policy_.statistics();
  pool_stats out;
  out.workers = now.workers;
  out.idle = now.idle;
  out.queued = now.queued;
  out.running = now.running;
  out.completed = now.completed;
  out.failed = now.failed;
  out.cancelled = now.cancelled;
  out.restarted = now.restarted;
  return out;
}

// ---- its end

void pool_state::abandon() noexcept {
  abandoned_ = terminated_ = true;
  pumping_ = true; // nothing more is carried out
  policy_.terminate();
  while (auto a = policy_.next_action()) {
    auto* owner = static_cast<pool_owner*>(a->owner);
    if (a->kind == pool_policy::action_kind::settle)
      owner->fail(a->first, a->count, error_of(*a));
    else if (a->kind == pool_policy::action_kind::stop_program)
      owner->stop();
  }
  admissions_.fail_all(aborted());
  joiners_.fail_all(aborted());
  touched_.clear();
  for (auto& [is, w] : std::exchange(workers_, {})) w->drop();
  timer_.reset();
}

void pool_state::shutdown() noexcept {
  pumping_ = true;
  terminated_ = true;
  policy_.terminate();
  std::vector<std::shared_ptr<pool_owner>> owners;
  while (auto a = policy_.next_action())
    if (a->kind == pool_policy::action_kind::settle || a->kind == pool_policy::action_kind::stop_program)
      owners.push_back(static_cast<pool_owner*>(a->owner)->shared_from_this());
  for (const auto& owner : owners) owner->drop();
  admissions_.drop();
  joiners_.drop();
  touched_.clear();
  for (auto& [is, w] : std::exchange(workers_, {})) w->drop();
  timer_.reset();
  executor_ = {};
}

// ---- carrying out

void pool_state::touch(pool_worker& w) {
  if (std::exchange(w.touched, true)) return;
  touched_.push_back(w.shared_from_this());
}

/// Wakes those that were given something, and sees to it that what they give is noticed.
/// @returns whether that was all.
bool pool_state::settle_touched(clock::time_point now) {
  bool all = true;
  auto touched = std::exchange(touched_, {});
  for (const auto& w : touched) {
    w->touched = false;
    if (!w->usable()) continue;
    w->drain_safely(now);
    if (!w->usable()) continue;
    w->nudge();
    if (w->arm()) continue;
    touch(*w);
    all = false;
  }
  if (touched_.empty()) {
    touched.clear();
    touched_ = std::move(touched); // its room
  }
  return all;
}

void pool_state::pump() {
  if (pumping_) return;
  pumping_ = true;
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
  pumping_ = false;
  let_in();
  report();
  set_timer();
}

void pool_state::carry_out(const pool_policy::action& a) {
  using kind = pool_policy::action_kind;
  auto* owner = static_cast<pool_owner*>(a.owner);
  switch (a.kind) {
  case kind::start: {
    auto w = std::make_shared<pool_worker>(*this, *a.who);
    a.who->link = w.get();
    workers_.emplace(a.who, w);
    w->start();
    break;
  }
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
  auto task = [&] { return "pool: '" + name_of(owner->target) + "'"; };
  auto worker = [&] { return "worker process " + std::to_string(last_pid_) + " " + last_end_.to_string(); };
  switch (a.how) {
  case pool_policy::outcome::cancelled:
    return aborted();
  case pool_policy::outcome::timed_out:
    return std::make_exception_ptr(
        timeout_expired(task() + " was killed", policy_.set().task_timeout, last_end_));
  case pool_policy::outcome::died:
    return std::make_exception_ptr(worker_died(task() + ": its " + worker(), last_end_));
  case pool_policy::outcome::terminated:
    return owner->is_operation ? end_of_operation() : std::make_exception_ptr(pool_terminated());
  case pool_policy::outcome::gave_up:
    if (!initializer_error_.empty())
      return std::make_exception_ptr(worker_died(
          task() + " was not started: the pool gave up, since its initializer fails in each worker: " +
              initializer_error_,
          last_end_));
    return std::make_exception_ptr(
        worker_died(task() +
                        " was not started: the pool gave up, since workers die one after another and none "
                        "completes a task; the last " +
                        worker(),
                    last_end_));
  case pool_policy::outcome::start_failed:
    return start_error_;
  }
  return aborted();
}

void pool_state::on_ended(pool_worker& w) {
  auto keep = w.shared_from_this();
  // What it has finished counts, though nobody has read it yet.
  w.drain_at_end(clock::now());
  pump();
  last_end_ = w.status();
  last_pid_ = w.pid();
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
    if (w->handed.empty() || !w->link || worker_of(w.get()).watched()) continue;
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
  timer_at_ = *next;
  timer_->expires_at(*next);
  timer_->async_wait([weak = weak_from_this()](const asio::error_code& error) {
    auto self = weak.lock();
    if (!error && self) self->on_timer();
  });
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
  timer_at_ = clock::time_point::max();
  const auto now = clock::now();
  for (const auto& w : policy_.workers()) {
    if (w->handed.empty() || !w->link) continue;
    touch(worker_of(w.get())); // its results, before it is judged
    if (now >= w->since + watch_after) worker_of(w.get()).watch_end();
  }
  pump();
  policy_.tick(clock::now());
  pump();
}

void pool_state::let_in() {
  while (!admissions_.empty() && has_room()) {
    ++admitted_;
    admissions_.complete_first();
  }
  if (closing_ && !policy_.closed() && admitted_ == 0 && admissions_.empty()) {
    policy_.close(clock::now());
    pump();
  }
}

void pool_state::report() {
  if (!report_ || reporting_ || !executor_) return;
  const auto counts = policy_.statistics();
  if (counts.completed + counts.failed == reported_) return;
  reporting_ = true;
  asio::post(executor_, [weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self || self->abandoned_) return;
    self->reporting_ = false;
    const auto now = self->policy_.statistics();
    self->reported_ = now.completed + now.failed;
    progress state;
    state.completed = now.completed;
    state.failed = now.failed;
    state.total = self->total_;
    auto call = self->report_; // which may destroy the pool
    (*call)(state);
  });
}

} // namespace coproc::detail
