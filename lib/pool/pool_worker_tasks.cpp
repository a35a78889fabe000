// What a worker is given to do, and what comes of it.
#include "pool/pool_worker.hpp"

#include "ipc/message.hpp"
#include "os/error.hpp"
#include "os/socket.hpp"

#include <coproc/remote_error.hpp>
#include <coproc/wire.hpp>

#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <utility>

namespace coproc::detail {

namespace {

// Descriptors and memory that are lacking are used by something else, which may give them back soon. If it
// does not, the result is lost, so that somebody is told.
constexpr auto longest_shortage = std::chrono::seconds(1);
constexpr auto pause_in_shortage = std::chrono::milliseconds(10);

} // namespace

// ---- what it is given

void pool_worker::hand_initializer() {
  const auto& info = pool_->targets_[pool_->initializer_number_];
  std::uint64_t place = 0;
  initializer_ = ++sequence_;
  host_link::handing call;
  call.sequence = initializer_;
  call.target = pool_->initializer_number_;
  std::string why;
  try {
    // It goes first, so there is room for it; unless the socket refuses.
    link_->define(pool_->initializer_number_, info.offset, info.module_id, info.module_path, info.name);
    const int error = link_->hand(call, *pool_->initializer_arguments_, place);
    if (error == 0) return;
    why = os::portable(std::error_code(error, std::system_category())).message();
  } catch (const std::exception& e) {
    why = e.what();
  }
  pool_->errors_.initializer_failed("its arguments cannot be handed over: " + why);
  pool_->policy_.initializer_failed(*is_, pool_state::clock::now());
}

void pool_worker::hand(pool_policy::unit& unit, pool_state::clock::time_point now) {
  auto* owner = static_cast<pool_owner*>(unit.owner);
  const auto& info = pool_->targets_[owner->target];
  int error = 0;
  bool known = true;
  std::exception_ptr failure;
  try {
    known = link_->knows(owner->target) ||
            link_->define(owner->target, info.offset, info.module_id, info.module_path, info.name);
  } catch (...) {
    failure = std::current_exception();
  }
  if (!known) return pool_->policy_.no_room(*is_, unit, now);
  host_link::handing what;
  what.sequence = sequence_ + 1;
  what.target = owner->target;
  what.first = unit.first;
  what.count = unit.count;
  what.layout = owner->layout;
  try {
    if (!failure) error = link_->hand(what, owner->arguments, unit.place);
  } catch (...) {
    failure = std::current_exception();
  }
  if (error == 0 && !failure) {
    unit.sequence = ++sequence_;
    pool_->touch(*this);
    return;
  }
  if (error == ENOBUFS || error == EAGAIN || error == ETOOMANYREFS || error == EPIPE) {
    pool_->policy_.no_room(*is_, unit, now);
    if (error == EPIPE) watch_end();
    return;
  }
  if (!failure && error == E2BIG)
    failure = std::make_exception_ptr(
        std::invalid_argument("pool: the arguments of '" + info.name + "' have more than " +
                              std::to_string(os::max_descriptors) + " descriptors"));
  if (!failure)
    failure = std::make_exception_ptr(
        std::system_error(os::portable(std::error_code(error, std::system_category())),
                          "pool: cannot hand over the arguments of '" + info.name + "'"));
  const std::uint32_t first = unit.first, count = unit.count;
  pool_->policy_.unhandable(*is_, unit, now);
  owner->fail(first, count, failure);
}

bool pool_worker::item_runs() const noexcept {
  if (!link_ || is_->handed.empty()) return false;
  const pool_policy::unit& first = *is_->handed.front();
  // Whatever has spoilt the page was run, and is not to be run again.
  return first.sequence != 0 && (page_is_spoilt_ || link_->started_items(first.sequence) > first.done);
}

void pool_worker::freeze(pool_state::clock::time_point now) {
  link_->freeze();
  freezing_ = true;
  drain_safely(now);
}

void pool_worker::condemn(const link_garbage& garbage) {
  if (garbage.where == link_garbage::place::page) page_is_spoilt_ = true;
  link_->freeze(); // what it has not started runs elsewhere
  if (initializer_ != 0)
    pool_->errors_.initializer_failed(std::string("it has damaged the channel: ") + garbage.what());
  pool_->policy_.condemn(*is_, pool_state::clock::now());
}

// ---- what it gives

bool pool_worker::arm() {
  const std::size_t there = is_->handed.size() + (initializer_ != 0 ? 1 : 0);
  if (there == 0 || killed_ || closed_) {
    // Nothing is to come: an idle pool does not keep the loop running.
    unheard_ = false;
    if (waiting_) link_->socket().cancel();
    if (!killed_ && !closed_ && is_->state == pool_policy::worker_state::ready) leave_end_alone();
    return true;
  }
  if (is_short()) return true; // the socket stays readable
  if (!link_->arm(there > 1 ? there / 2 : 1)) return false;
  if (waiting_) return true;
  waiting_ = true;
  auto readable = [weak = weak_from_this()](const asio::error_code& error) {
    auto self = weak.lock();
    if (!self) return;
    self->waiting_ = false;
    if (!self->pool_) return;
    if (!error)
      self->on_readable();
    else if (!self->ended_) { // it was idle, and may have got something since
      self->pool_->touch(*self);
      self->pool_->pump();
    }
  };
  try {
    link_->socket().async_wait(stream_end::wait_type::wait_read, std::move(readable));
  } catch (const std::exception&) {
    waiting_ = false; // the loop has no room for it: the timer looks after it
    look_again_ = pool_state::clock::now() + pause_in_shortage;
  }
  unheard_ = !waiting_;
  return true;
}

void pool_worker::on_readable() {
  auto self = shared_from_this();
  if (pool_->left_to_host()) return;
  link_->disarm();
  try {
    receive();
    drain_safely(pool_state::clock::now());
  } catch (const link_garbage& garbage) {
    condemn(garbage);
  }
  if (!pool_) return;
  pool_->touch(*this);
  pool_->pump();
}

void pool_worker::receive() {
  if (link_->receive()) return;
  closed_ = true;     // not waited for again: the end of file stays
  link_->shut_down(); // it may still live, and wait for tasks
  watch_end();
}

void pool_worker::drain_safely(pool_state::clock::time_point now) {
  try {
    if (is_short() || unheard_) receive();
    drain(freezing_ ? host_link::depth::open_run : host_link::depth::closed_runs, now);
  } catch (const link_garbage& garbage) {
    if (std::exchange(freezing_, false)) is_->freezing = false;
    condemn(garbage);
    return;
  }
  // What it runs can't be told before all that it has finished is known.
  if (!pool_ || (short_since_ && is_patient(now)) || !std::exchange(freezing_, false)) return;
  auto item = pool_policy::item_state::waiting;
  const auto since = link_->started_at();
  if (item_runs()) item = since ? pool_policy::item_state::running : pool_policy::item_state::finished;
  pool_->policy_.frozen(*is_, item, since.value_or(now), now);
}

bool pool_worker::is_patient(pool_state::clock::time_point now) const noexcept {
  return !short_since_ || now < *short_since_ + longest_shortage;
}

std::optional<pool_state::clock::time_point> pool_worker::look_again() const noexcept {
  if (end_unwatched_ || (usable() && (is_short() || unheard_))) return look_again_;
  return std::nullopt;
}

void pool_worker::drain_at_end(pool_state::clock::time_point now) noexcept {
  try {
    short_since_ = pool_state::clock::time_point::min(); // there is no later
    if (link_) drain(host_link::depth::open_run, now);
  } catch (const link_garbage& garbage) {
    if (garbage.where == link_garbage::place::page) page_is_spoilt_ = true;
  } catch (...) {
    // No memory: what is left counts as not finished.
  }
}

void pool_worker::drain(host_link::depth how, pool_state::clock::time_point now) {
  using shortage = host_link::shortage;
  while (pool_) { // a result may lead to the end of the pool
    auto r = link_->next_result(how, is_patient(now) ? shortage::leave : shortage::lose);
    if (r) {
      take(*r, now);
      continue;
    }
    look_again_ = now + pause_in_shortage;
    if (!link_->is_short())
      short_since_.reset();
    else if (!short_since_)
      short_since_ = now;
    return;
  }
}

void pool_worker::take(const host_link::result& r, pool_state::clock::time_point now) {
  message packet;
  std::exception_ptr error;
  if (r.in_packet) {
    try {
      packet = link_->take_packet();
    } catch (const std::system_error&) {
      error = std::current_exception();
    }
  }
  auto read_error = [&](std::uint32_t target) {
    std::span<const std::byte> bytes = r.in_packet ? packet.bytes() : r.bytes;
    try {
      auto chain = wire::decode<std::vector<remote_error::exception>>(bytes, nullptr);
      if (chain.empty()) throw link_garbage(link_garbage::place::page, "an exception without a type");
      return std::make_exception_ptr(remote_error(std::move(chain), pool_->name_of(target), pid_));
    } catch (const wire::error& e) {
      throw link_garbage(link_garbage::place::page, e.what());
    } catch (const link_garbage&) {
      throw;
    } catch (...) {
      return std::current_exception(); // no memory for it
    }
  };

  pool_policy& policy = pool_->policy_;
  if (initializer_ != 0 && r.sequence == initializer_) {
    initializer_ = 0;
    if (!r.failed) return policy.initialised(*is_, now);
    std::exception_ptr why = read_error(pool_->initializer_number_);
    try {
      std::rethrow_exception(why);
    } catch (const std::exception& e) {
      pool_->errors_.initializer_failed(e.what());
    }
    return policy.initializer_failed(*is_, now);
  }

  if (is_->handed.empty()) return; // it was taken back, settled, or never was
  pool_policy::unit& u = *is_->handed.front();
  if (u.sequence == 0 || r.sequence < u.sequence) return;
  if (r.sequence != u.sequence || r.items > u.count - u.done ||
      (r.items != 0 && r.first != u.first + u.done) || (r.failed && r.items != 1))
    throw link_garbage(link_garbage::place::page, "a result of something else");
  auto* owner = static_cast<pool_owner*>(u.owner);
  if (r.failed && !error) error = read_error(owner->target);
  const bool wanted =
      policy.items_done(*is_, error ? 0 : r.items, error ? r.items : 0, r.last,
                        std::chrono::duration_cast<duration>(std::chrono::nanoseconds(r.busy)), now);
  if (wanted && r.items != 0) {
    if (error)
      owner->fail(r.first, r.items, error);
    else
      owner->deliver(r.first, r.items, r.in_packet ? packet.bytes() : r.bytes,
                     r.in_packet ? &packet : nullptr);
  }
  if (r.worn) policy.wears_out(*is_, now);
}

} // namespace coproc::detail
