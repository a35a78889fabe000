#include <coproc/child.hpp>

#include "loop/suspension.hpp"
#include "os/error.hpp"
#include "program/child_state.hpp"
#include "program/command_spec.hpp"
#include "program/follow.hpp"

#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>

#include <signal.h>

namespace coproc {

namespace detail {

namespace {

const std::shared_ptr<child_state>& require(const std::shared_ptr<child_state>& state) {
  if (!state) throw std::logic_error("child: it is empty (default-constructed or moved from)");
  return state;
}

using maybe_status = std::optional<exit_status>;

/// One coroutine that waits for the end of a child, or for so long.
class exit_waiter final : public exit_observer, public std::enable_shared_from_this<exit_waiter> {
public:
  exit_waiter(std::shared_ptr<child_state> child, suspension<maybe_status> waiter)
      : child_(std::move(child)), waiter_(std::move(waiter)) {}

  void start(std::optional<duration> limit) {
    waiter_->on_cancellation(shared_from_this(), [](exit_waiter& self, asio::cancellation_type_t type) {
      if (type != asio::cancellation_type::none) self.give_up(aborted());
    });
    if (!child_->add_observer(shared_from_this())) return on_exit();
    // After the observer: otherwise the timer could remove it before it is there.
    std::lock_guard lock(mutex_);
    if (!limit || !waiter_) return;
    timer_.emplace(waiter_->executor(), after(std::chrono::steady_clock::now(), *limit));
    timer_->async_wait([self = shared_from_this()](const asio::error_code& error) {
      if (!error) self->give_up(nullptr);
    });
  }

private:
  void on_exit() override {
    auto waiter = finish();
    if (!waiter) return;
    child_->remove_observer(*this);
    waiter->complete(child_->record()->status);
  }

  void on_abandoned() override {
    if (auto waiter = finish()) waiter->fail(aborted());
  }

  void give_up(std::exception_ptr error) {
    auto waiter = finish();
    if (!waiter) return;
    child_->remove_observer(*this);
    if (error)
      waiter->fail(std::move(error));
    else
      waiter->complete(std::nullopt);
  }

  /// Whoever comes first gets the waiter. The timer may fire on another thread than the end is seen on.
  std::optional<suspension<maybe_status>> finish() {
    std::lock_guard lock(mutex_);
    if (timer_) timer_->cancel();
    return std::exchange(waiter_, std::nullopt);
  }

  std::mutex mutex_;
  const std::shared_ptr<child_state> child_;
  std::optional<suspension<maybe_status>> waiter_;
  std::optional<asio::steady_timer> timer_;
};

asio::awaitable<maybe_status> suspend_until_exit(std::shared_ptr<child_state> state,
                                                 std::optional<duration> limit) {
  return suspend<maybe_status>([state = std::move(state), limit](suspension<maybe_status> waiter) mutable {
    std::make_shared<exit_waiter>(std::move(state), std::move(waiter))->start(limit);
  });
}

asio::awaitable<maybe_status> wait_for(std::shared_ptr<child_state> state, std::optional<duration> limit) {
  asio::any_io_executor executor = co_await asio::this_coro::executor;
  state->check_use(executor);
  bool over = limit && *limit <= duration::zero();
  // Whoever waits learns of the end from the loop; a look here would be a system call more for each child.
  std::optional<os::exit_record> record = over ? state->look() : state->record();
  if (record || over) {
    if (state->breathing.due()) co_await pass_through_loop();
    if (record) co_return record->status;
    co_return std::nullopt;
  }
  co_return co_await suspend_until_exit(std::move(state), limit);
}

asio::awaitable<exit_status> wait(std::shared_ptr<child_state> state) {
  maybe_status status = co_await wait_for(std::move(state), std::nullopt);
  co_return *status;
}

asio::awaitable<exit_status> stop(std::shared_ptr<child_state> state, stop_policy policy) {
  asio::any_io_executor executor = co_await asio::this_coro::executor;
  state->check_use(executor);
  if (!state->look()) state->begin_stop(policy);
  maybe_status status = co_await wait_for(std::move(state), std::nullopt);
  co_return *status;
}

asio::awaitable<completed> communicate(std::shared_ptr<child_state> state, std::string input) {
  asio::any_io_executor executor = co_await asio::this_coro::executor;
  state->check_use(executor);
  std::shared_ptr<input_state> pipe = access::state_of(state->in);
  if (!input.empty() && (!pipe || !pipe->is_open()))
    throw std::invalid_argument("communicate: stdin of '" + state->program().to_string() +
                                "' is no open pipe that could take the input");
  std::vector<std::shared_ptr<child_state>> children(1, state);
  auto operation = std::make_shared<exchange>(std::move(children), exchange::on_cancel::leave);
  if (!input.empty())
    pipe->enqueue(
        std::make_shared<const std::string>(std::move(input))); // now that no other operation is in the way
  exchange_result result = co_await follow(std::move(operation));
  throw_unless_ended(result, state->program());
  co_return std::move(result.done);
}

} // namespace

} // namespace detail

using detail::access;
using detail::require;

child& child::operator=(child&& other) noexcept {
  if (this != &other) {
    if (state_) state_->abandon();
    state_ = std::move(other.state_);
  }
  return *this;
}

child::~child() {
  if (state_) state_->abandon();
}

int child::pid() const { return require(state_)->pid(); }
const coproc::command& child::command() const { return require(state_)->program(); }

input_stream& child::in() {
  if (!access::state_of(require(state_)->in)) throw std::logic_error("child: its stdin is no pipe");
  return state_->in;
}

output_stream& child::out() {
  if (!access::state_of(require(state_)->out)) throw std::logic_error("child: its stdout is no pipe");
  return state_->out;
}

output_stream& child::err() {
  if (!access::state_of(require(state_)->err)) throw std::logic_error("child: its stderr is no pipe");
  return state_->err;
}

asio::awaitable<exit_status> child::wait() { return detail::wait(require(state_)); }

asio::awaitable<std::optional<exit_status>> child::wait(duration limit) {
  return detail::wait_for(require(state_), limit);
}

std::optional<exit_status> child::poll() {
  std::optional<os::exit_record> record = require(state_)->look();
  if (!record) return std::nullopt;
  return record->status;
}

asio::awaitable<completed> child::communicate(std::string input) {
  return detail::communicate(require(state_), std::move(input));
}

void child::send_signal(int number) {
  if (int error = require(state_)->send_signal(number))
    os::throw_errno(error,
                    "send signal " + std::to_string(number) + " to '" + state_->program().to_string() + "'");
}

void child::terminate() { send_signal(SIGTERM); }
void child::kill() { send_signal(SIGKILL); }
void child::interrupt() { send_signal(SIGINT); }

asio::awaitable<exit_status> child::stop() {
  const auto& state = require(state_);
  return detail::stop(state, access::spec(state->program()).stop);
}

asio::awaitable<exit_status> child::stop(stop_policy policy) { return detail::stop(require(state_), policy); }

void child::detach() { require(state_)->detach(); }

std::optional<resource_usage> child::usage() const {
  std::optional<os::exit_record> record = require(state_)->record();
  if (!record) return std::nullopt;
  return record->usage;
}

} // namespace coproc
