#include <coproc/connection.hpp>

#include "ipc/back_off.hpp"
#include "ipc/connection_state.hpp"
#include "ipc/message.hpp"
#include "loop/suspension.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <limits>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>

namespace coproc::detail {

namespace {

/// Counts those who wait.
class waiter_count {
public:
  explicit waiter_count(connection_state& state) : state_(state) { ++state_.waiting; }
  waiter_count(const waiter_count&) = delete;
  ~waiter_count() { --state_.waiting; }

private:
  connection_state& state_;
};

asio::awaitable<void> wait_until_ready(std::shared_ptr<connection_state> state,
                                       connection_state::wait_type what) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  os::fd_watch& watch = state->join_loop(executor);
  waiter_count counted(*state);
  co_await watch.async_wait(what, asio::use_awaitable);
  if (!state->is_open()) std::rethrow_exception(aborted());
}

/// Waits until something can be done with the socket, or for so long.
class poll_operation : public std::enable_shared_from_this<poll_operation> {
public:
  poll_operation(std::shared_ptr<connection_state> state, connection_state::wait_type what,
                 suspension<bool> waiter)
      : state_(std::move(state)), what_(what), timer_(waiter.executor()), waiter_(std::move(waiter)) {}

  /// Must not throw: it runs inside of an Asio initiation.
  void start(duration limit) {
    waiter_->on_cancellation(shared_from_this(), [](poll_operation& self, asio::cancellation_type_t type) {
      if (type != asio::cancellation_type::none) self.finish(false, aborted());
    });
    try {
      wait(limit);
    } catch (...) {
      finish(false, std::current_exception());
    }
  }

private:
  void wait(duration limit) {
    // finish() may be called by other threads from here on, and touches what is made ready here.
    std::lock_guard lock(mutex_);
    if (!waiter_) return;
    auto on_ready = [self = shared_from_this()](const asio::error_code& error) {
      self->finish(true, error ? aborted() : nullptr);
    };
    state_->join_loop(timer_.get_executor())
        .async_wait(what_, asio::bind_cancellation_slot(stop_waiting_.slot(), std::move(on_ready)));
    timer_.expires_at(after(std::chrono::steady_clock::now(), limit));
    timer_.async_wait([self = shared_from_this()](const asio::error_code& error) {
      if (!error) self->finish(false, nullptr);
    });
  }

  /// Whoever comes first gets the waiter; the timer may fire on another thread than the socket does.
  std::optional<suspension<bool>> take() {
    std::lock_guard lock(mutex_);
    return std::exchange(waiter_, std::nullopt);
  }

  void finish(bool ready, std::exception_ptr error) {
    std::optional<suspension<bool>> waiter = take();
    if (!waiter) return;
    timer_.cancel();
    stop_waiting_.emit(asio::cancellation_type::terminal);
    if (error)
      waiter->fail(std::move(error));
    else
      waiter->complete(ready);
  }

  std::mutex mutex_;
  const std::shared_ptr<connection_state> state_;
  const connection_state::wait_type what_;
  asio::steady_timer timer_;
  asio::cancellation_signal stop_waiting_;
  std::optional<suspension<bool>> waiter_;
};

/// @returns whether it was ready, or its other end gone, before the time was up.
asio::awaitable<bool> wait_for(std::shared_ptr<connection_state> state, connection_state::wait_type what,
                               duration limit) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  (void)state->join_loop(executor); // so that a wrong use is told here
  waiter_count counted(*state);
  auto start = [state, what, limit](suspension<bool> waiter) {
    std::make_shared<poll_operation>(state, what, std::move(waiter))->start(limit);
  };
  const bool ready = co_await suspend<bool>(std::move(start));
  if (!state->is_open()) std::rethrow_exception(aborted());
  co_return ready;
}

asio::awaitable<bool> poll_for(std::shared_ptr<connection_state> state, duration limit) {
  state->check_use(co_await asio::this_coro::executor);
  if (state->breathing.due()) co_await pass_through_loop();
  if (state->is_readable(0)) co_return true;
  const auto until = after(std::chrono::steady_clock::now(), limit);
  while (limit > duration::zero()) {
    const bool woken = co_await wait_for(state, connection_state::wait_type::wait_read, limit);
    // A wake-up need not be this socket's: Asio hands what it knows of a closed one on to the next, events
    // included that it has not told yet. And others may have taken what came.
    if (state->is_readable(0)) co_return true;
    if (!woken) break;
    limit = until - std::chrono::steady_clock::now();
  }
  co_return false;
}

asio::awaitable<void> send_all(std::shared_ptr<connection_state> state, message encoded) {
  using sending = connection_state::sending;
  using wait_type = connection_state::wait_type;
  const cancellation_watch watch(co_await asio::this_coro::cancellation_state);
  state->check_use(co_await asio::this_coro::executor);
  if (state->breathing.due()) co_await pass_through_loop();
  back_off pauses;
  for (;;) {
    const sending outcome = state->try_send(encoded);
    if (outcome == sending::sent) co_return;
    if (outcome == sending::behind)
      co_await wait_until_ready(state, wait_type::wait_write);
    else
      co_await wait_for(state, wait_type::wait_error, pauses.next());
    // What was cancelled after it had been woken sends nothing either.
    watch.throw_if_cancelled();
  }
}

asio::awaitable<received_message> receive(std::shared_ptr<connection_state> state) {
  const cancellation_watch watch(co_await asio::this_coro::cancellation_state);
  state->check_use(co_await asio::this_coro::executor);
  if (state->breathing.due()) co_await pass_through_loop();
  received_message result;
  while (!state->try_recv(result)) {
    co_await wait_until_ready(state, connection_state::wait_type::wait_read);
    watch.throw_if_cancelled(); // as above: it takes nothing
  }
  result.receiver = std::move(state);
  co_return std::move(result);
}

const std::shared_ptr<connection_state>& require(const std::shared_ptr<connection_state>& state) {
  if (!state) throw std::logic_error("connection: it is empty (default-constructed or moved from)");
  return state;
}

} // namespace

void received_message::lose() const { receiver->lose(ENOMEM); }

connection_core::connection_core() noexcept = default;

connection_core::connection_core(int descriptor)
    : state_(std::make_shared<connection_state>(os::unique_fd(descriptor))) {}

connection_core::connection_core(connection_core&&) noexcept = default;

connection_core& connection_core::operator=(connection_core&& other) noexcept {
  if (this != &other) {
    close();
    state_ = std::move(other.state_);
  }
  return *this;
}

connection_core::~connection_core() { close(); }

asio::awaitable<void> connection_core::send(message encoded) const {
  return send_all(require(state_), std::move(encoded));
}
asio::awaitable<received_message> connection_core::recv() const { return receive(require(state_)); }
asio::awaitable<bool> connection_core::poll(duration limit) const { return poll_for(require(state_), limit); }

void connection_core::blocking_send(message& encoded) const {
  using sending = connection_state::sending;
  back_off pauses;
  for (;;) {
    const sending outcome = require(state_)->try_send(encoded, os::blocking::yes);
    if (outcome == sending::sent) return;
    if (outcome == sending::behind)
      state_->wait_writable();
    else
      std::this_thread::sleep_for(pauses.next());
  }
}

received_message connection_core::blocking_recv() const {
  received_message result;
  constexpr int for_ever = -1;
  while (!require(state_)->try_recv(result, os::blocking::yes)) (void)state_->is_readable(for_ever);
  result.receiver = state_;
  return result;
}

bool connection_core::blocking_poll(duration limit) const {
  using clock = std::chrono::steady_clock;
  const connection_state& state = *require(state_);
  const clock::time_point end = after(clock::now(), limit);
  for (;;) {
    // Rounded up, so that it does not spin through the last millisecond.
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - clock::now()).count();
    constexpr long long most = std::numeric_limits<int>::max();
    if (state.is_readable(static_cast<int>(std::clamp(static_cast<long long>(left), 0LL, most)))) return true;
    if (left <= 0) return false;
  }
}

void connection_core::close() noexcept {
  if (state_) state_->close();
}

bool connection_core::is_open() const noexcept { return state_ && state_->is_open(); }

int connection_core::release() const { return require(state_)->release().release(); }

std::pair<connection_core, connection_core> connection_core::make_pair() {
  os::packet_pair ends = os::make_packet_pair("make_pipe: cannot create a pair of sockets");
  connection_core first(ends.first.release());
  connection_core second(ends.second.release());
  return {std::move(first), std::move(second)};
}

} // namespace coproc::detail
