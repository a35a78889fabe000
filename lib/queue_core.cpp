#include <coproc/detail/queue_core.hpp>

#include <coproc/queue_closed.hpp>
#include <coproc/queue_empty.hpp>
#include <coproc/queue_full.hpp>

#include "loop/context_service.hpp"

#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/error.hpp>
#include <asio/execution/outstanding_work.hpp>
#include <asio/post.hpp>
#include <asio/prefer.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <algorithm>
#include <memory>
#include <new>
#include <stdexcept>
#include <system_error>

namespace coproc::detail {

namespace {

using handler_type = asio::async_result<asio::use_awaitable_t<>, void()>::handler_type;

/// How many coroutines are resumed one after another before everybody else on the loop has a turn; and, once
/// a queue is used a lot, how many operations pass until the next check.
constexpr std::uint32_t breath = 128;
/// How many of its first operations are checked, each.
constexpr std::uint32_t first_checks = 16;

} // namespace

/// The binding of a queue to an execution context.
class queue_loop final : public context_object {
public:
  explicit queue_loop(queue_core& core) : core_(core) {}
  using context_object::bind;

  asio::any_io_executor home; ///< Where waiters are resumed; that of the first operation.
  asio::any_io_executor work; ///< Counts as work while somebody waits.

private:
  void shutdown() noexcept override {
    core_.drop_all();
    home = asio::any_io_executor();
    work = asio::any_io_executor();
  }

  queue_core& core_;
};

/// What a cancellation slot holds for a waiter. Either can go first.
struct queue_cancellation {
  explicit queue_cancellation(queue_waiter& of) : waiter(&of) { of.cancellation_ = this; }
  queue_cancellation(const queue_cancellation&) = delete;
  ~queue_cancellation() {
    if (waiter) waiter->cancellation_ = nullptr;
  }

  void operator()(asio::cancellation_type_t type) {
    if (waiter && type != asio::cancellation_type::none) waiter->finish(queue_waiter::outcome::aborted);
  }

  queue_waiter* waiter;
};

/// Outlives its waiter until its handler has run.
struct queue_timer {
  queue_timer(const asio::any_io_executor& executor, queue_waiter& of) : timer(executor), waiter(&of) {}

  static void start(const std::shared_ptr<queue_timer>& self,
                    std::chrono::steady_clock::time_point deadline) {
    self->timer.expires_at(deadline);
    self->timer.async_wait([self](const asio::error_code& error) {
      if (self->waiter && !error) self->waiter->finish(queue_waiter::outcome::expired);
    });
  }
  static void stop(std::shared_ptr<queue_timer>& self) noexcept {
    if (!self) return;
    self->waiter = nullptr;
    try {
      self->timer.cancel();
    } catch (...) { // then it fires in vain
    }
    self.reset();
  }

  asio::steady_timer timer;
  queue_waiter* waiter;
};

void queue_list::insert(queue_place& place) noexcept {
  queue_place* before = last;
  if (before && before->ticket > place.ticket) {
    // It has been in line already: near the front.
    queue_place* behind = first;
    while (behind->ticket < place.ticket) behind = behind->next;
    before = behind->previous;
  }
  queue_place* behind = before ? before->next : first;
  place.list = this;
  place.previous = before;
  place.next = behind;
  (before ? before->next : first) = &place;
  (behind ? behind->previous : last) = &place;
}

void queue_list::remove(queue_place& place) noexcept {
  (place.previous ? place.previous->next : first) = place.next;
  (place.next ? place.next->previous : last) = place.previous;
  place.list = nullptr;
}

// The waiter.

struct queue_waiter::access {
  static_assert(sizeof(handler_type) <= sizeof(queue_waiter::handler_) &&
                alignof(handler_type) <= alignof(void*));
  static handler_type& handler(queue_waiter& waiter) noexcept {
    return *std::launder(reinterpret_cast<handler_type*>(waiter.handler_));
  }
  static handler_type take_handler(queue_waiter& waiter) noexcept {
    handler_type result(std::move(handler(waiter)));
    handler(waiter).~handler_type();
    return result;
  }

  static void suspend(queue_waiter& waiter, handler_type given) noexcept {
    handler_type* kept = new (waiter.handler_) handler_type(std::move(given));
    waiter.state_ = state::waiting;
    waiter.outcome_ = outcome::proceed;
    waiter.chosen_ = nullptr;
    try {
      const asio::any_io_executor executor = asio::get_associated_executor(*kept);
      for (std::uint32_t i = 0; i != waiter.count_; ++i) {
        waiter.places_[i].waiter = &waiter;
        waiter.places_[i].core->enter(waiter.places_[i], executor);
      }
      asio::cancellation_slot slot = asio::get_associated_cancellation_slot(*kept);
      if (slot.is_connected()) slot.emplace<queue_cancellation>(waiter);
      if (waiter.deadline_ != std::chrono::steady_clock::time_point::max()) {
        waiter.timer_ = std::make_shared<queue_timer>(executor, waiter);
        queue_timer::start(waiter.timer_, waiter.deadline_);
      }
    } catch (...) {
      waiter.finish(outcome::failed, std::current_exception());
    }
  }
};

asio::awaitable<void> queue_waiter::wait(queue_place* places, std::size_t count) {
  places_ = places;
  count_ = static_cast<std::uint32_t>(count);
  return asio::async_initiate<const asio::use_awaitable_t<>, void()>(
      [this](handler_type handler) { access::suspend(*this, std::move(handler)); }, asio::use_awaitable);
}

void queue_waiter::allow(duration patience) {
  if (patience != duration::max()) deadline_ = after(std::chrono::steady_clock::now(), patience);
}

void queue_waiter::raise() const {
  if (outcome_ == outcome::failed) std::rethrow_exception(error_);
  throw std::system_error(asio::error::operation_aborted);
}

/// Its coroutine is destroyed.
void queue_waiter::abandon() noexcept {
  // Otherwise its handler, which owns the coroutine, would still be here.
  leave();
  release();
  state_ = state::idle;
}

/// Gives up what links it to things outside of its coroutine.
void queue_waiter::release() noexcept {
  queue_timer::stop(timer_);
  if (cancellation_) std::exchange(cancellation_, nullptr)->waiter = nullptr;
  if (reservation_) std::exchange(reservation_, nullptr)->core->unreserve();
}

/// Leaves its lines.
void queue_waiter::leave() noexcept {
  for (std::uint32_t i = 0; i != count_; ++i)
    if (places_[i].list) places_[i].core->exit(places_[i]);
}

void queue_waiter::finish(outcome how, std::exception_ptr error) noexcept {
  if (state_ == state::posted && how == outcome::aborted && reservation_) {
    outcome_ = how; // the item is for the next one
    std::exchange(reservation_, nullptr)->core->unreserve();
    return;
  }
  if (state_ != state::waiting) return;
  outcome_ = how;
  error_ = std::move(error);
  // On the way before it leaves its lines, which may have been all that counted as work.
  if (places_->at_home) {
    state_ = state::ready;
    places_->core->push_ready(*this);
  } else {
    post();
  }
  leave();
}

void queue_waiter::resume() {
  handler_type handler = access::take_handler(*this);
  state_ = state::idle;
  release();
  handler();
}

void queue_waiter::post() {
  handler_type handler = access::take_handler(*this);
  const asio::any_io_executor executor = asio::get_associated_executor(handler);
  state_ = state::posted;
  auto arrive = [this, kept = std::move(handler)]() mutable {
    state_ = state::idle;
    release();
    // Its frame may end before it returns, and this closure with it.
    handler_type once = std::move(kept);
    once();
  };
  asio::post(executor, std::move(arrive));
}

void queue_waiter::drop() noexcept {
  handler_type handler = access::take_handler(*this);
  leave();
  state_ = state::idle;
  release();
}

// The operation.

queue_operation::queue_operation(queue_core& core, queue_line line, duration patience, void* item)
    : patience_(patience) {
  place_.core = &core;
  place_.line = line;
  place_.item = item;
  if (!core.is_check_due()) decide();
}

asio::awaitable<void> queue_operation::step() {
  if (stage_ == stage::check) {
    stage_ = stage::checked;
    return place_.core->check_in();
  }
  stage_ = stage::waited;
  return waiter_.wait(&place_, 1);
}

bool queue_operation::over() {
  if (stage_ == stage::checked) decide();
  if (stage_ == stage::waited) conclude();
  return stage_ == stage::over;
}

/// Goes on at once if that is possible; prepares to wait if not.
void queue_operation::decide() {
  const queue_core& core = *place_.core;
  bool can_go_on = false, can_wait = true;
  switch (place_.line) {
  case queue_line::get:
    can_go_on = core.can_take();
    can_wait = core.size() != 0 || !core.is_closed();
    break;
  case queue_line::put:
    can_go_on = core.has_room();
    can_wait = !core.is_closed();
    break;
  case queue_line::join:
    can_go_on = core.all_done();
    break;
  }
  stage_ = can_go_on ? stage::over : stage::wait;
  if (can_go_on) return;
  if (!can_wait) throw_queue_closed();
  if (patience_ <= duration::zero()) throw_queue_expired(place_.line);
  waiter_.allow(patience_);
}

/// Has waited.
void queue_operation::conclude() {
  waiter_.rethrow();
  if (waiter_.result() == queue_waiter::outcome::expired) throw_queue_expired(place_.line);
  stage_ = stage::over;
  if (place_.line == queue_line::get && place_.core->size() == 0) { // it was taken by get_nowait()
    if (place_.core->is_closed()) throw_queue_closed();
    stage_ = stage::wait;
  } else if (place_.line == queue_line::put) {
    if (waiter_.result() == queue_waiter::outcome::closed) throw_queue_closed();
    done_ = true;
  }
}

// The core: lines.

queue_core::queue_core(std::size_t limit) noexcept : limit_(limit) {}
queue_core::~queue_core() = default;

/// Its last reference has gone. Out of line, for the sake of those that are not the last.
void queue_core::end() noexcept { delete this; }

/// @returns whether this is the executor that waiters are resumed on.
bool queue_core::bind(const asio::any_io_executor& executor) {
  if (loop_ && loop_->home && loop_->home == executor) return true;
  if (!loop_) loop_ = std::make_unique<queue_loop>(*this);
  loop_->bind(executor, "queue");
  if (!loop_->home) loop_->home = executor;
  return loop_->home == executor;
}

void queue_core::check_next() noexcept {
  check_put_at_ = check_get_at_ = 0;
  until_check_ = 1;
  restrain();
}

/// @returns whether it is time to let others run.
bool queue_core::check(const asio::any_io_executor& executor) {
  check_next(); // also if it throws
  bind(executor);
  if (checks_ < first_checks) {
    ++checks_;
    return false;
  }
  check_put_at_ = added_ + breath;
  check_get_at_ = taken_ + breath;
  until_check_ = breath;
  return true;
}

void queue_core::renew(std::size_t slots) noexcept {
  if (getters_ != 0 || putters_.first || closed_) return restrain();
  put_at_once_until_ = std::min(taken_ + std::min(limit_, slots), check_put_at_);
  get_at_once_until_ = check_get_at_;
}

asio::awaitable<void> queue_core::check_in() {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  if (!check(executor)) co_return;
  budget_ = 1; // whoever resumes this coroutine lets others run, too
  co_await pass_through_loop();
}

queue_list& queue_core::list_of(queue_line line) noexcept {
  switch (line) {
  case queue_line::get:
    return waiting_getters_;
  case queue_line::put:
    return putters_;
  case queue_line::join:
    break;
  }
  return joiners_;
}

void queue_core::enter(queue_place& place, const asio::any_io_executor& executor) {
  place.at_home = bind(executor);
  if (abandoned_) throw std::system_error(asio::error::operation_aborted);
  if (place.line == queue_line::get && closed_ && size() == 0) return; // a select that waits for others
  if (!loop_->work) loop_->work = asio::prefer(loop_->home, asio::execution::outstanding_work.tracked);
  if (place.ticket == 0) place.ticket = ++last_ticket_;
  list_of(place.line).insert(place);
  restrain();
  ++waiters_;
  if (place.line == queue_line::get) {
    ++getters_;
    if (size() > reserved_ && !pending_) schedule();
  }
}

void queue_core::exit(queue_place& place) noexcept {
  place.list->remove(place);
  restrain();
  --waiters_;
  if (place.line == queue_line::get) --getters_;
  settle();
}

/// Is no work any more if nobody waits; what is pending is work by itself.
void queue_core::settle() noexcept {
  if (waiters_ == 0 && !pending_ && loop_) loop_->work = asio::any_io_executor();
}

void queue_core::unreserve() noexcept {
  --reserved_;
  --getters_;
  if (has_next()) schedule();
}

void queue_core::accepted(queue_place& place, std::exception_ptr error) noexcept {
  const auto how = error ? queue_waiter::outcome::failed : queue_waiter::outcome::proceed;
  place.waiter->finish(how, std::move(error));
}

void queue_core::took_note() {
  if (closed_ && has_next()) schedule();
}

void queue_core::close() {
  if (closed_ || abandoned_) return;
  closed_ = true;
  limit_ = 0;
  restrain();
  while (putters_.first) putters_.first->waiter->finish(queue_waiter::outcome::closed);
  if (has_next()) schedule();
}

void queue_core::abandon() noexcept {
  abandoned_ = true;
  limit_ = 0;
  restrain();
  for (queue_list* list : {&waiting_getters_, &putters_, &joiners_})
    while (list->first) list->first->waiter->finish(queue_waiter::outcome::aborted);
}

void queue_core::task_done() {
  if (all_done()) throw std::logic_error("queue: task_done() was called more often than items were added");
  ++done_;
  if (!all_done()) return;
  while (joiners_.first) joiners_.first->waiter->finish(queue_waiter::outcome::proceed);
}

// The core: resuming. One posted handler resumes one coroutine after another, also those that become ready
// meanwhile: a producer and a consumer that wait for each other in turn need no trip through the loop for
// each item. None is resumed inside of the call that completes it.

void queue_core::push_ready(queue_waiter& waiter) noexcept {
  waiter.next_ready_ = nullptr;
  (last_ready_ ? last_ready_->next_ready_ : first_ready_) = &waiter;
  last_ready_ = &waiter;
  schedule();
}

bool queue_core::has_next() const noexcept {
  return first_ready_ || (waiting_getters_.first && (size() > reserved_ || (closed_ && size() == 0)));
}

void queue_core::schedule() {
  if (pending_ || !loop_->home) return; // or the context has ended
  auto run = [self = queue_reference<queue_core>(this)] { self->resume_some(); };
  asio::post(loop_->home, std::move(run));
  pending_ = true;
}

void queue_core::resume_some() {
  struct at_end {
    explicit at_end(queue_core& of) : core(of) {}
    at_end(const at_end&) = delete;
    ~at_end() { // also when a completion handler throws
      core.pending_ = false;
      if (core.has_next()) core.schedule();
      core.settle();
    }
    queue_core& core;
  } guard(*this);
  for (budget_ = breath; budget_ != 0 && has_next(); --budget_) resume_one();
}

void queue_core::resume_one() {
  if (queue_waiter* waiter = first_ready_) {
    first_ready_ = waiter->next_ready_;
    if (!first_ready_) last_ready_ = nullptr;
    waiter->resume();
  } else if (size() != 0) {
    call(*waiting_getters_.first);
  } else {
    turn_away(*waiting_getters_.first);
  }
}

/// It is its turn to take an item.
void queue_core::call(queue_place& place) {
  queue_waiter& waiter = *place.waiter;
  waiter.chosen_ = &place;
  if (place.at_home) {
    waiter.leave();
    waiter.resume();
    return;
  }
  waiter.leave();
  waiter.reservation_ = &place;
  ++reserved_;
  ++getters_;
  waiter.post();
}

/// Nothing will come any more.
void queue_core::turn_away(queue_place& place) noexcept {
  queue_waiter& waiter = *place.waiter;
  bool elsewhere = false;
  for (std::uint32_t i = 0; i != waiter.count_; ++i)
    elsewhere = elsewhere || (&waiter.places_[i] != &place && waiter.places_[i].list);
  if (elsewhere)
    exit(place);
  else
    waiter.finish(queue_waiter::outcome::closed);
}

/// The context ends.
void queue_core::drop_all() noexcept {
  queue_reference<queue_core> self(this);
  check_next();
  while (queue_waiter* waiter = first_ready_) {
    first_ready_ = waiter->next_ready_;
    waiter->drop();
  }
  last_ready_ = nullptr;
  for (queue_list* list : {&waiting_getters_, &putters_, &joiners_})
    while (list->first) list->first->waiter->drop();
}

void throw_queue_empty() { throw queue_empty("queue: there is nothing to take"); }
void throw_queue_full() { throw queue_full("queue: there is no room"); }
void throw_queue_closed() { throw queue_closed("queue: it is closed"); }
void throw_queue_moved_from() { throw std::logic_error("queue: it was moved from"); }
void throw_queue_expired(queue_line line) {
  if (line == queue_line::put) throw queue_full("queue: there was no room within the time that was given");
  throw queue_empty("queue: nothing came within the time that was given");
}

} // namespace coproc::detail
