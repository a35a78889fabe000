#include <coproc/detail/queue_core.hpp>

#include "loop/context_service.hpp"

#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/error.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <memory>
#include <new>
#include <system_error>

namespace coproc::detail {

namespace {

using handler_type = asio::async_result<asio::use_awaitable_t<>, void()>::handler_type;

} // namespace

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
  const bool allowed = deadline_ != std::chrono::steady_clock::time_point::max();
  if (patience != duration::max() && !allowed) deadline_ = after(std::chrono::steady_clock::now(), patience);
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

} // namespace coproc::detail
