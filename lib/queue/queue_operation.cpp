#include <coproc/detail/queue_core.hpp>

#include <coproc/queue_closed.hpp>
#include <coproc/queue_empty.hpp>
#include <coproc/queue_full.hpp>

#include <stdexcept>

namespace coproc::detail {

queue_operation::queue_operation(queue_core& core, queue_line line, duration patience, void* item)
    : patience_(patience) {
  place_.core = &core;
  place_.line = line;
  place_.item = item;
  if (core.is_check_due())
    waiter_.allow(patience); // which counts from here, whatever the check takes
  else
    decide();
}

asio::awaitable<void> queue_operation::step() {
  if (stage_ == stage::check) {
    stage_ = stage::checked;
    const bool waits = !can_go_on() && can_wait() && patience_ > duration::zero();
    return place_.core->check_in(waits ? queue_step::wait : queue_step::go_on);
  }
  stage_ = stage::waited;
  return waiter_.wait(&place_, 1);
}

bool queue_operation::over() {
  if (stage_ == stage::checked) decide();
  if (stage_ == stage::waited) conclude();
  return stage_ == stage::over;
}

bool queue_operation::can_go_on() const noexcept {
  const queue_core& core = *place_.core;
  switch (place_.line) {
  case queue_line::get:
    return patience_ <= duration::zero() ? core.can_spare() : core.can_take();
  case queue_line::put:
    return core.has_room();
  case queue_line::join:
    break;
  }
  return core.all_done();
}

/// @returns whether what it waits for may come.
bool queue_operation::can_wait() const noexcept {
  const queue_core& core = *place_.core;
  switch (place_.line) {
  case queue_line::get:
    return core.size() != 0 || !core.is_closed();
  case queue_line::put:
    return !core.is_closed();
  case queue_line::join:
    break;
  }
  return true;
}

/// Goes on at once if that is possible; prepares to wait if not.
void queue_operation::decide() {
  stage_ = can_go_on() ? stage::over : stage::wait;
  if (stage_ == stage::over) return;
  place_.core->check_alive();
  if (!can_wait()) throw_queue_closed();
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

void throw_queue_empty() { throw queue_empty("queue: there is nothing to take"); }
void throw_queue_full() { throw queue_full("queue: there is no room"); }
void throw_queue_closed() { throw queue_closed("queue: it is closed"); }
void throw_queue_moved_from() { throw std::logic_error("queue: it was moved from"); }
void throw_queue_expired(queue_line line) {
  if (line == queue_line::put) throw queue_full("queue: there was no room within the time that was given");
  throw queue_empty("queue: nothing came within the time that was given");
}

} // namespace coproc::detail
