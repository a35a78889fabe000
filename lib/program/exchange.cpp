#include "program/exchange.hpp"

#include "program/command_spec.hpp"

#include <algorithm>
#include <cerrno>
#include <limits>

namespace coproc::detail {

namespace {

constexpr std::size_t chunk = std::size_t(1) << 20;

void add(resource_usage& sum, const resource_usage& other) {
  sum.user += other.user;
  sum.system += other.system;
  sum.max_rss_bytes = std::max(sum.max_rss_bytes, other.max_rss_bytes);
  sum.minor_faults += other.minor_faults;
  sum.major_faults += other.major_faults;
  sum.voluntary_context_switches += other.voluntary_context_switches;
  sum.involuntary_context_switches += other.involuntary_context_switches;
}

} // namespace

exchange::exchange(std::vector<std::shared_ptr<child_state>> children, on_cancel policy)
    : children_(std::move(children)), policy_(policy) {
  const child_state& first = *children_.front();
  if (!first.fed_in_background)
    input_ = first.background_input ? first.background_input : access::state_of(first.in);
  if (input_ && !input_->is_open()) input_ = nullptr;
  if (input_) input_turn_.emplace(*input_, "write");
  drains_.reserve(children_.size() + 1);
  add_drain(children_.back()->out, children_.size() - 1, false);
  for (std::size_t stage = 0; stage != children_.size(); ++stage)
    add_drain(children_[stage]->err, stage, true);
}

void exchange::add_drain(const output_stream& stream, std::size_t stage, bool is_error) {
  const std::shared_ptr<output_state>& state = access::state_of(stream);
  if (!state) return;
  drain& added = drains_.emplace_back();
  added.stream = state;
  added.turn.emplace(*state, "read");
  auto limit = access::spec(children_[stage]->program()).max_output;
  added.most = limit.value_or(std::numeric_limits<std::size_t>::max());
  added.is_error = is_error;
  added.stage = stage;
  added.ended = state->at_end || !state->is_open();
}

void exchange::start(suspension<exchange_result> waiter) {
  {
    lock_type lock(mutex_);
    waiter_.emplace(std::move(waiter));
    waiter_->on_cancellation(shared_from_this(),
                             [](exchange& self, asio::cancellation_type_t type) { self.cancel(type); });
  }
  // Not under the lock: an observer may be called before this returns.
  for (const auto& child : children_) child->add_observer(shared_from_this());
  lock_type lock(mutex_);
  guarded(lock, [&] { begin(lock); });
}

void exchange::begin(lock_type& lock) {
  if (input_) write();
  for (drain& from : drains_)
    if (waiter_ && !from.ended) read(from, lock);
  check_ended(lock);
}

/// An exception in a handler would come out of the event loop: it belongs to who waits.
template <class Function>
void exchange::guarded(lock_type& lock, Function function) {
  try {
    if (waiter_) function();
  } catch (...) {
    if (!lock.owns_lock()) lock.lock();
    if (waiter_) fail(lock, std::current_exception());
  }
}

void exchange::cancel(asio::cancellation_type_t type) {
  lock_type lock(mutex_);
  if (!waiter_ || type == asio::cancellation_type::none) return;
  if (policy_ == on_cancel::leave) return fail(lock, aborted());
  if ((type & asio::cancellation_type::terminal) == asio::cancellation_type::none) return;
  const bool again = std::exchange(stopping_, true);
  if (all_exited_) return fail(lock, aborted()); // what is left is a stream that a grandchild holds open
  if (again) {
    for (const auto& child : children_) child->kill_now();
  } else {
    stop_all();
  }
}

void exchange::stop_all() {
  for (const auto& child : children_) child->begin_stop(access::spec(child->program()).stop);
}

void exchange::on_exit() {
  lock_type lock(mutex_);
  guarded(lock, [&] { check_ended(lock); });
}

void exchange::on_deadline() {
  // The stages of a pipeline stand and fall together.
  stop_all();
}

void exchange::on_abandoned() {
  lock_type lock(mutex_);
  if (waiter_) fail(lock, aborted());
}

void exchange::read(drain& from, lock_type& lock) {
  // So many at most before others get their turn.
  for (int reads = 0; reads != 8; ++reads) {
    if (!from.stream->is_open()) {
      from.ended = true;
      return;
    }
    // One more byte than may be kept shows that there is more; when that is known, the rest is dropped in
    // large pieces.
    std::size_t room = from.most - std::min(from.most, from.stream->buffer.size());
    std::size_t most = over_limit_ ? std::max(room, os::default_capacity) : room < chunk ? room + 1 : chunk;
    os::transfer result = from.stream->fill(most);
    if (result.error == EAGAIN) break;
    if (result.error != 0) {
      auto error = std::system_error(os::errno_code(result.error), "read " + from.stream->what());
      return fail(lock, std::make_exception_ptr(error));
    }
    if (from.stream->buffer.size() > from.most) drop_excess(from);
    if (from.stream->at_end) {
      from.ended = true;
      return;
    }
  }
  wait_readable(from);
}

void exchange::wait_readable(drain& from) {
  from.stream->async_wait(stream_end::wait_type::wait_read,
                          [self = shared_from_this(), &from](const asio::error_code& error) {
                            lock_type lock(self->mutex_);
                            // An error: who cancelled has let go; or the stream was closed, which read()
                            // sees.
                            if (error && from.stream->is_open()) return;
                            self->guarded(lock, [&] {
                              self->read(from, lock);
                              self->check_ended(lock);
                            });
                          });
}

/// Stops the program. What it writes until it ends is read and dropped, so that it can end in its own way.
void exchange::drop_excess(drain& from) {
  from.stream->buffer.truncate(from.most);
  if (over_limit_) return;
  over_limit_ = from.most;
  stop_all();
}

void exchange::write() {
  if (input_->is_open() && input_->feed() == input_state::feed_result::would_block) {
    input_->async_wait(stream_end::wait_type::wait_write,
                       [self = shared_from_this()](const asio::error_code& error) {
                         lock_type lock(self->mutex_);
                         if (error && self->input_ && self->input_->is_open()) return;
                         self->guarded(lock, [&] {
                           if (self->input_) self->write();
                         });
                       });
    return;
  }
  input_turn_.reset();
  input_->close();
  input_ = nullptr;
}

void exchange::check_ended(lock_type& lock) {
  if (!waiter_) return;
  if (!all_exited_) {
    all_exited_ =
        std::all_of(children_.begin(), children_.end(), [](const auto& child) { return child->record(); });
    if (!all_exited_) return;
  }
  // A cancelled run has nobody to give output to.
  if (stopping_) return fail(lock, aborted());
  if (std::all_of(drains_.begin(), drains_.end(), [](const drain& from) { return from.ended; }))
    return finish(lock);
  if (drain_grace_) return;
  duration longest{};
  for (const auto& child : children_) longest = std::max(longest, access::spec(child->program()).drain_grace);
  drain_grace_.emplace(waiter_->executor(), after(std::chrono::steady_clock::now(), longest));
  drain_grace_->async_wait([self = shared_from_this()](const asio::error_code& error) {
    if (!error) self->on_drain_grace_over();
  });
}

void exchange::on_drain_grace_over() {
  lock_type lock(mutex_);
  guarded(lock, [&] { read_what_is_there(lock); });
}

void exchange::read_what_is_there(lock_type& lock) {
  for (drain& from : drains_) {
    if (from.ended || !from.stream->is_open()) continue;
    // What is in the pipe at this moment, and not what a chatty grandchild keeps adding.
    for (std::size_t rest = os::available(from.stream->fd()); rest != 0;) {
      os::transfer result = from.stream->fill(rest);
      if (result.error != 0 || result.size == 0) break;
      rest -= std::min(rest, result.size);
      if (from.stream->buffer.size() > from.most) drop_excess(from);
    }
  }
  finish(lock);
}

void exchange::finish(lock_type& lock) {
  exchange_result result = collect();
  let_go();
  suspension<exchange_result> waiter = std::move(*waiter_);
  waiter_.reset();
  lock.unlock();
  waiter.complete(std::move(result));
}

void exchange::fail(lock_type& lock, std::exception_ptr error) {
  let_go();
  suspension<exchange_result> waiter = std::move(*waiter_);
  waiter_.reset();
  lock.unlock();
  waiter.fail(std::move(error));
}

/// The streams are free for other readers again; the bytes stay in their buffers.
void exchange::let_go() {
  for (drain& from : drains_) {
    from.stream->cancel();
    from.turn.reset();
  }
  if (input_) {
    input_->cancel();
    input_turn_.reset();
  }
  drain_grace_.reset();
  for (const auto& child : children_) child->remove_observer(*this);
}

exchange_result exchange::collect() {
  exchange_result result;
  completed& done = result.done;
  for (drain& from : drains_) {
    from.stream->forget_scan();
    std::string& to = from.is_error ? done.err : done.out;
    if (to.empty())
      to = from.stream->buffer.take();
    else
      to += from.stream->buffer.view();
    from.stream->close();
  }
  if (input_) input_->close();
  for (std::size_t stage = 0; stage != children_.size(); ++stage) {
    const child_state& child = *children_[stage];
    os::exit_record record = *child.record();
    done.statuses.push_back(record.status);
    if (!record.status.success() || stage == 0 || done.status.success()) done.status = record.status;
    done.elapsed = std::max(done.elapsed, child.elapsed());
    if (record.usage) add(done.usage, *record.usage);
    if (auto timeout = child.timed_out(); timeout && result.why == exchange_result::reason::ended) {
      result.why = exchange_result::reason::timed_out;
      result.timeout = *timeout;
    }
  }
  if (over_limit_ && result.why == exchange_result::reason::ended) {
    result.why = exchange_result::reason::too_much_output;
    result.limit = *over_limit_;
  }
  return result;
}

} // namespace coproc::detail
