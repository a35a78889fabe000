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

/// One step of it, in whatever handler. An exception would come out of the event loop: it belongs to who
/// waits; unless it was the resumption that failed, after which nobody waits any more.
template <class Function>
void exchange::go_on(Function step) {
  child_lock lock(children_.front()->mutex());
  try {
    if (phase_ != phase::finished) step();
  } catch (...) {
    if (phase_ == phase::finished) throw;
    fail(std::current_exception());
  }
}

void exchange::start(suspension<exchange_result> waiter) {
  waiter_.emplace(std::move(waiter));
  go_on([this] {
    waiter_->on_cancellation(shared_from_this(),
                             [](exchange& self, asio::cancellation_type_t type) { self.cancel(type); });
    for (const auto& child : children_) child->add_observer(shared_from_this());
    if (input_) write();
    for (drain& from : drains_)
      if (!from.ended) read(from);
    check_ended();
  });
}

void exchange::cancel(asio::cancellation_type_t type) {
  const bool terminal = (type & asio::cancellation_type::terminal) != asio::cancellation_type::none ||
                        policy_ == on_cancel::leave;
  if (type == asio::cancellation_type::none || !terminal) return;
  go_on([this] {
    // Either the children are not to be stopped, or what is left is a stream that a grandchild holds open.
    if (policy_ == on_cancel::leave || phase_ == phase::draining) return fail(aborted());
    if (std::exchange(phase_, phase::stopping) == phase::following) return stop_all();
    for (const auto& child : children_) child->kill_now(); // again
  });
}

void exchange::stop_all() {
  for (const auto& child : children_) child->begin_stop(access::spec(child->program()).stop);
}

void exchange::on_exit() {
  go_on([this] { check_ended(); });
}

/// The stages of a pipeline stand and fall together.
void exchange::on_deadline() {
  go_on([this] { stop_all(); });
}

void exchange::on_abandoned() {
  go_on([this] { fail(aborted()); });
}

void exchange::on_unwatched(std::exception_ptr why) {
  go_on([&] { fail(why); });
}

void exchange::read(drain& from) {
  // So many at most before others get their turn.
  for (int reads = 0; reads != 8; ++reads) {
    if (!from.stream->is_open()) {
      from.ended = true;
      return;
    }
    // One more byte than may be kept shows that there is more; when that is known, the rest is dropped in
    // large pieces.
    std::size_t room = from.most - std::min(from.most, from.stream->buffer.size());
    std::size_t most = over_limit() ? std::max(room, os::default_capacity) : room < chunk ? room + 1 : chunk;
    os::transfer result = from.stream->fill(most);
    if (result.error == EAGAIN) break;
    if (result.error != 0) os::throw_errno(result.error, "read " + from.stream->what());
    if (phase_ == phase::stopping) from.stream->truncate(0);
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
                          [self = shared_from_this(), &from](const asio::error_code&) {
                            // Aborted: this has ended; or the stream was closed, which read() sees.
                            self->go_on([&] {
                              self->read(from);
                              self->check_ended();
                            });
                          });
}

/// Stops the program. What it writes until it ends is read and dropped, so that it can end in its own way.
void exchange::drop_excess(drain& from) {
  from.stream->truncate(from.most);
  if (!over_limit())
    for (const auto& child : children_) child->note_over_limit(from.most);
  // Another exchange may have noted it and had no memory to stop them.
  if (stops_for_output_) return;
  stop_all();
  stops_for_output_ = true;
}

void exchange::write() {
  if (input_->is_open() && input_->feed() == input_state::feed_result::would_block) {
    input_->async_wait(
        stream_end::wait_type::wait_write,
        [self = shared_from_this()](const asio::error_code&) { self->go_on([&] { self->write(); }); });
    return;
  }
  input_turn_.reset();
  input_->close();
  input_ = nullptr;
}

void exchange::check_ended() {
  if (phase_ != phase::draining) {
    bool ended =
        std::all_of(children_.begin(), children_.end(), [](const auto& child) { return child->record(); });
    if (!ended) return;
    if (phase_ == phase::stopping) return fail(aborted());
  }
  if (std::all_of(drains_.begin(), drains_.end(), [](const drain& from) { return from.ended; }))
    return finish();
  if (phase_ == phase::following) begin_draining();
}

void exchange::begin_draining() {
  phase_ = phase::draining;
  duration longest{};
  for (const auto& child : children_) longest = std::max(longest, access::spec(child->program()).drain_grace);
  drain_grace_.emplace(waiter_->executor(), after(std::chrono::steady_clock::now(), longest));
  drain_grace_->async_wait([self = shared_from_this()](const asio::error_code& error) {
    if (error) return;
    self->go_on([&] {
      self->read_what_is_there();
      self->finish();
    });
  });
}

void exchange::read_what_is_there() {
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
}

void exchange::finish() {
  exchange_result result = collect();
  end().complete(std::move(result));
}

void exchange::fail(std::exception_ptr error) { end().fail(std::move(error)); }

/// The streams are free for other readers again; the bytes stay in their buffers.
suspension<exchange_result> exchange::end() {
  phase_ = phase::finished;
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
  suspension<exchange_result> waiter = std::move(*waiter_);
  waiter_.reset();
  return waiter;
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
  if (auto limit = over_limit(); limit && result.why == exchange_result::reason::ended) {
    result.why = exchange_result::reason::too_much_output;
    result.limit = *limit;
  }
  return result;
}

} // namespace coproc::detail
