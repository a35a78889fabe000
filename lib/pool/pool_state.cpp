// What the pool is asked to do, and its end.
#include "pool/pool_state.hpp"

#include "os/cpus.hpp"
#include "os/socket.hpp"
#include "pool/pool_worker.hpp"

#include <asio/error.hpp>
#include <asio/post.hpp>
#include <asio/this_coro.hpp>
#include <coproc/pool_closed.hpp>
#include <coproc/pool_terminated.hpp>

#include <algorithm>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace coproc::detail {

namespace {

pool_policy::limits limits_of(const pool_options& options) {
  pool_policy::limits set;
  set.size = pool_access::size(options) != 0 ? pool_access::size(options) : os::usable_cpus();
  set.max_tasks = pool_access::max_tasks(options);
  const duration timeout = pool_access::task_timeout(options);
  if (timeout <= duration::max() / 2) set.task_timeout = timeout; // otherwise none: a century, at least
  set.retries = pool_access::retries(options);
  set.initializer = pool_access::initializer(options).entry != nullptr;
  return set;
}

} // namespace

pool_state::pool_state(asio::any_io_executor executor, const pool_options& options)
    : executor_(std::move(executor)), method_(pool_access::method(options)),
      max_pending_(pool_access::max_pending(options)), initializer_(pool_access::initializer(options)),
      initializer_arguments_(pool_access::initializer_arguments(options)),
      reporter_(pool_access::report(options)), policy_(limits_of(options)) {
  settings_.stamp_items = policy_.set().task_timeout > duration::zero();
  settings_.max_rss = pool_access::max_rss(options);
  if (initializer_.entry) initializer_number_ = number_of(initializer_);
  if (initializer_arguments_ && initializer_arguments_->descriptor_count() > os::max_descriptors)
    throw std::invalid_argument("pool: the arguments of its initializer have more than " +
                                std::to_string(os::max_descriptors) + " descriptors");
  bind(executor_, "pool");
  timer_.emplace(executor_);
}

pool_state::~pool_state() = default;

void pool_state::require_open() const {
  if (!executor_ && !abandoned_) throw std::logic_error("pool: its execution context is gone");
  if (closing_ || abandoned_) throw pool_closed();
}

// ---- what is asked of it

bool pool_state::has_room() const noexcept {
  if (max_pending_ == 0) return true;
  const std::size_t size = policy_.set().size;
  return tasks_ + admitted_ < size - std::min(size, policy_.slots_of_others()) + max_pending_;
}

void pool_state::submit(const std::shared_ptr<pool_owner>& owner, std::uint32_t items,
                        pool_policy::unit_kind kind) {
  const auto now = clock::now();
  const bool alone = kind == pool_policy::unit_kind::task &&
                     (owner->arguments.size() > largest_in_ring || owner->arguments.descriptor_count() != 0);
  owner->keep_alive();
  const pool_policy::traits how{alone, owner->divisible, owner->pends};
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
  while (!admissions_.empty()) admit_first();
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
  if (self->abandoned_) throw std::system_error(asio::error::operation_aborted);
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

void pool_state::admit_first() {
  ++admitted_;
  try {
    admissions_.complete_first();
  } catch (...) {
    --admitted_; // no memory to resume it: it is gone
    throw;
  }
}

void pool_state::let_in() {
  while (!admissions_.empty() && has_room()) admit_first();
  if (closing_ && !policy_.closed() && admitted_ == 0 && admissions_.empty()) {
    policy_.close(clock::now());
    pump();
  }
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
    else if (a->kind == pool_policy::action_kind::run_program)
      owner->begin(); // and learns that it is over
    else if (a->kind == pool_policy::action_kind::stop_program)
      owner->stop();
  }
  admissions_.fail_all(aborted());
  joiners_.fail_all(aborted());
  touched_.clear();
  drop_workers();
  timer_.reset();
}

/// In a fork of the host the workers are the host's, and so is what they give.
/// @returns whether this is one. The copy of the pool has ended then, as if its handle had gone.
bool pool_state::left_to_host() noexcept {
  if (mark_.is_original()) return false;
  if (!abandoned_) abandon();
  return true;
}

void pool_state::forked() {
  asio::post(executor_, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->left_to_host();
  });
}

void pool_state::drop_workers() noexcept {
  for (const auto& w : policy_.workers()) w->link = nullptr; // who asks the policy still finds them there
  for (auto& [is, w] : std::exchange(workers_, {})) w->drop();
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
  drop_workers();
  timer_.reset();
  executor_ = {};
}

} // namespace coproc::detail
