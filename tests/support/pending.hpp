#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <exception>
#include <memory>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>

namespace coproc::test {

/// Set while a loop is being destroyed: its I/O objects go in an order that allows no cancellation any more.
extern bool loop_is_ending;

/// An operation that runs beside the test: started with the object, cancelled when that is destroyed.
template <class T>
class pending {
  using value_type = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

  struct state {
    explicit state(const asio::any_io_executor& executor) : finished(executor) {}
    asio::cancellation_signal cancel;
    asio::steady_timer finished;
    bool done = false;
    std::exception_ptr error;
    value_type value{};
  };

public:
  pending(const asio::any_io_executor& executor, asio::awaitable<T> operation)
      : state_(std::make_shared<state>(executor)) {
    state_->finished.expires_at(asio::steady_timer::time_point::max());
    auto slot = state_->cancel.slot();
    auto finish = [s = state_](std::exception_ptr error) {
      s->error = error;
      s->done = true;
      s->finished.cancel();
    };
    if constexpr (std::is_void_v<T>) {
      asio::co_spawn(executor, std::move(operation), asio::bind_cancellation_slot(slot, finish));
    } else {
      auto store = [s = state_, finish](std::exception_ptr error, T value) {
        s->value = std::move(value);
        finish(error);
      };
      asio::co_spawn(executor, std::move(operation), asio::bind_cancellation_slot(slot, std::move(store)));
    }
  }
  pending(pending&&) noexcept = default;
  ~pending() {
    if (state_ && !loop_is_ending) cancel();
  }

  bool done() const { return state_->done; }

  void cancel(asio::cancellation_type type = asio::cancellation_type::terminal) {
    if (!state_->done) state_->cancel.emit(type);
  }

  /// @returns its value, when it has one; throws what it threw.
  asio::awaitable<T> result() {
    co_await ended();
    if (state_->error) std::rethrow_exception(state_->error);
    if constexpr (!std::is_void_v<T>) co_return std::move(state_->value);
  }

  /// Waits for its end. @returns whether that was a cancellation; another exception is thrown.
  asio::awaitable<bool> aborted() {
    co_await ended();
    if (!state_->error) co_return false;
    try {
      std::rethrow_exception(state_->error);
    } catch (const std::system_error& e) {
      if (e.code() != asio::error::operation_aborted) throw;
      co_return true;
    }
  }

private:
  asio::awaitable<void> ended() {
    auto s = state_; // the object may go while somebody waits
    while (!s->done) {
      try {
        co_await s->finished.async_wait(asio::use_awaitable);
      } catch (const std::system_error&) {
        if (!s->done) throw; // the test is cancelled
      }
    }
  }

  std::shared_ptr<state> state_;
};

/// Lets everything that is ready run: what was started has begun to wait, what was completed has resumed.
asio::awaitable<void> breathe();

/// The executor of the coroutine, for pending.
asio::awaitable<asio::any_io_executor> this_executor();

/// `auto op = co_await beside(child.wait());`
template <class T>
asio::awaitable<pending<T>> beside(asio::awaitable<T> operation) {
  auto executor = co_await this_executor();
  co_return pending<T>(executor, std::move(operation));
}

} // namespace coproc::test
