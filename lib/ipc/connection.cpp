#include <coproc/connection.hpp>

#include "ipc/back_off.hpp"
#include "ipc/connection_state.hpp"
#include "ipc/message.hpp"
#include "loop/suspension.hpp"
#include "os/error.hpp"
#include "os/ready.hpp"

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
#include <stdexcept>
#include <thread>

namespace coproc::detail {

namespace {

constexpr std::uint32_t value_kind = 1;

[[noreturn]] void throw_closed() { throw connection_closed("connection: it is closed"); }

[[noreturn]] void throw_lost() {
  os::throw_errno(EMFILE, "connection: a value was lost, as no descriptor was left for it; it is closed");
}

} // namespace

void connection_state::require_open() const {
  if (gone_) throw std::logic_error("connection: this end has gone to another process");
  if (lost_) throw_lost();
  if (!socket_) throw_closed();
}

void connection_state::leave_loop() noexcept {
  if (watch_) watch_->leave(socket_);
}

void connection_state::close() noexcept {
  leave_loop();
  socket_.reset();
}

os::unique_fd connection_state::release() {
  require_open();
  if (waiting != 0)
    throw std::logic_error("connection: an end can't go to another process while somebody waits on it");
  leave_loop();
  if (!socket_) os::throw_errno(EMFILE, "connection: it is closed");
  gone_ = true;
  return socket_.release();
}

void connection_state::shutdown() noexcept {
  leave_loop();
  watch_.reset(); // the socket itself stays open until the handle goes
}

void connection_state::check_use(const asio::any_io_executor& executor) {
  if (!is_bound_to(executor)) bind(executor, "connection");
}

os::fd_watch& connection_state::join_loop(const asio::any_io_executor& executor) {
  check_use(executor);
  if (!watch_) watch_.emplace(executor);
  if (asio::error_code error = watch_->join(socket_.get()))
    throw std::system_error(os::portable(error), "connection");
  return *watch_;
}

connection_state::sending connection_state::try_send(message& encoded, os::blocking wait) {
  require_open();
  const int error = send_message(socket_.get(), value_kind, encoded, wait);
  if (error == EAGAIN) return sending::behind;
  if (error == ETOOMANYREFS) return sending::too_many;
  if (error == EPIPE) throw_closed();
  if (error == E2BIG)
    throw std::invalid_argument("connection: a value has more than " + std::to_string(os::max_descriptors) +
                                " descriptors");
  if (error != 0) os::throw_errno(error, "connection: cannot send");
  return sending::sent;
}

bool connection_state::try_recv(received_message& result, os::blocking wait) {
  require_open();
  if (!buffer_) buffer_ = message_buffer(max_inline);
  // A look costs as much as a small value, so it is taken to be good for a moment.
  constexpr std::chrono::milliseconds moment{1};
  const auto now = std::chrono::steady_clock::now();
  if (now - looked_ >= moment) {
    switch (os::look_ahead(socket_.get(), wait)) {
    case os::next_packet::none:
      return false;
    case os::next_packet::no_room:
      os::throw_errno(EMFILE, "connection: cannot receive"); // later there may be
    case os::next_packet::fits:
      if (os::duplicate(socket_.get())) looked_ = now; // it may have needed none itself
    }
  }
  incoming next = receive_message(socket_.get(), buffer_.bytes(), wait);
  if (next.error == EAGAIN) return false;
  if (next.error == EMFILE) {
    // Somebody has taken the last one since, and the kernel has taken the packet apart. Nobody is to go
    // on as if there had been none.
    lost_ = true;
    close();
    throw_lost();
  }
  if (next.error != 0) os::throw_errno(next.error, "connection: cannot receive");
  if (next.closed) throw_closed();
  if (next.kind != value_kind) throw wire::error("connection: what came is no value of a connection");
  if (next.body.size() != 0 || next.body.descriptor_count() != 0) looked_ = {}; // it has taken some
  result.body = std::move(next.body);
  result.bytes = next.in_buffer;
  if (result.body.size() != 0) result.bytes = result.body.bytes();
  return true;
}

bool connection_state::is_readable(int milliseconds) const {
  require_open();
  return os::is_readable(socket_.get(), milliseconds);
}

void connection_state::wait_writable() const {
  require_open();
  os::wait_writable(socket_.get());
}

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
  if (limit <= duration::zero()) co_return false;
  co_return co_await wait_for(state, connection_state::wait_type::wait_read, limit);
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
  co_return std::move(result);
}

const std::shared_ptr<connection_state>& require(const std::shared_ptr<connection_state>& state) {
  if (!state) throw std::logic_error("connection: it is empty (default-constructed or moved from)");
  return state;
}

} // namespace

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
