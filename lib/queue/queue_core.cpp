#include <coproc/detail/queue_core.hpp>

#include "loop/context_service.hpp"

#include <asio/error.hpp>
#include <asio/execution/outstanding_work.hpp>
#include <asio/post.hpp>
#include <asio/prefer.hpp>
#include <asio/this_coro.hpp>

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <system_error>

namespace coproc::detail {

namespace {

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

asio::awaitable<void> queue_core::check_in(queue_step next) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  if (!check(executor) || next == queue_step::wait) co_return;
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
  check_alive();
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
  // First: there may be no memory for it.
  if (waiting_getters_.first || putters_.first) schedule();
  closed_ = true;
  limit_ = 0;
  restrain();
  while (putters_.first) putters_.first->waiter->finish(queue_waiter::outcome::closed);
}

void queue_core::abandon() noexcept {
  abandoned_ = true;
  limit_ = 0;
  restrain();
  for (queue_list* list : {&waiting_getters_, &putters_, &joiners_})
    while (list->first) list->first->waiter->finish(queue_waiter::outcome::aborted);
}

void queue_core::check_alive() const {
  if (abandoned_) throw std::system_error(asio::error::operation_aborted);
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

} // namespace coproc::detail
