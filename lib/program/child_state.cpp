#include "program/child_state.hpp"

#include "os/signal.hpp"
#include "program/command_spec.hpp"

#include <algorithm>
#include <cerrno>

#include <signal.h>

namespace coproc::detail {

namespace {

void rethrow_any(const std::exception_ptr& failure) {
  if (failure) std::rethrow_exception(failure);
}

} // namespace

child_state::child_state(const asio::any_io_executor& executor, command program, bool leads_group,
                         std::optional<duration> timeout, std::unique_ptr<started_process> process,
                         std::shared_ptr<child_mutex> mutex)
    : mutex_(std::move(mutex)), command_(std::move(program)), leads_group_(leads_group), timeout_(timeout),
      started_(clock::now()), process_(std::move(process)), executor_(executor) {
  bind(executor, "child process");
}

child_state::~child_state() { abandon(); }

void child_state::started() {
  child_lock lock(*mutex_);
  pid_ = process_->pid();
  if (timeout_) {
    set_timer(deadline_timer_, after(started_, *timeout_), &child_state::on_timeout);
    arm();
  }
}

void child_state::require_attached() const {
  if (stage_ == stage::detached)
    throw std::logic_error("child '" + access::spec(command_).program +
                           (abandoned_ ? "': its handle is gone" : "': it has been detached"));
}

void child_state::check_use(const asio::any_io_executor& executor) {
  bind(executor, "child process");
  child_lock lock(*mutex_);
  require_attached();
}

std::optional<os::exit_record> child_state::look() {
  child_lock lock(*mutex_);
  require_attached();
  try_reap();
  return record_;
}

std::optional<os::exit_record> child_state::record() const {
  child_lock lock(*mutex_);
  return record_;
}

duration child_state::elapsed() const {
  child_lock lock(*mutex_);
  return ended_ - started_;
}

std::optional<duration> child_state::timed_out() const {
  child_lock lock(*mutex_);
  if (!timed_out_) return std::nullopt;
  return timeout_;
}

void child_state::note_over_limit(std::size_t bytes) {
  child_lock lock(*mutex_);
  over_limit_ = bytes;
}

std::optional<std::size_t> child_state::over_limit() const {
  child_lock lock(*mutex_);
  return over_limit_;
}

bool child_state::add_observer(std::shared_ptr<exit_observer> observer) {
  child_lock lock(*mutex_);
  observers_.push_back(observer);
  try {
    arm();
  } catch (...) {
    std::erase(observers_, observer); // who may try again
    throw;
  }
  return !record_;
}

void child_state::remove_observer(const exit_observer& observer) {
  child_lock lock(*mutex_);
  std::erase_if(observers_, [&](const auto& other) { return other.get() == &observer; });
  // Nobody waits any more: the wait must not keep the loop running.
  bool needed = !observers_.empty() || stage_ == stage::stopping || deadline_timer_;
  if (!needed && armed_) {
    armed_ = false;
    process_->cancel_wait();
  }
}

/// Whoever is told may leave. All are told: there may be no memory to resume one of them, and the others
/// would wait for ever. @returns the first failure.
template <class... Args>
std::exception_ptr child_state::tell(void (exit_observer::*what)(Args...), const Args&... args) noexcept {
  std::exception_ptr failure;
  for (std::size_t next = 0; next < observers_.size();) {
    const std::shared_ptr<exit_observer> observer = observers_[next];
    try {
      (observer.get()->*what)(args...);
    } catch (...) {
      if (!failure) failure = std::current_exception();
    }
    if (next < observers_.size() && observers_[next] == observer) ++next;
  }
  return failure;
}

/// Sees to it that on_wake() is called when it may have ended.
void child_state::arm() {
  if (armed_ || !executor_ || record_) return;
  process_->wait([self = shared_from_this()](bool aborted) {
    if (!aborted) self->on_wake();
  });
  armed_ = true; // not if there was no memory for it
}

void child_state::on_wake() {
  child_lock lock(*mutex_);
  if (!armed_ || stage_ == stage::detached) return;
  armed_ = false;
  try_reap();
  if (record_) return;
  process_->too_early();
  try {
    arm();
  } catch (...) {
    if (observers_.empty()) throw;
    rethrow_any(tell(&exit_observer::on_unwatched, std::current_exception()));
  }
}

void child_state::try_reap() {
  if (record_ || pid_ <= 0) return;
  if (stage_ == stage::stopping && leads_group_ && process_->look() == os::presence::ended) {
    // Last chance for a group signal: as long as the leader is not reaped its id can't be anybody else's.
    // What is left of a group that is being stopped does not outlive its leader.
    signal_all(SIGKILL);
  }
  record_ = process_->try_reap();
  if (!record_) return;
  ended_ = clock::now();
  stage_ = stage::ended;
  let_go_of_loop();
  process_->ended();
  rethrow_any(tell(&exit_observer::on_exit));
}

void child_state::let_go_of_loop() {
  armed_ = false;
  process_->leave_loop();
  grace_timer_.reset();
  deadline_timer_.reset();
}

int child_state::send_signal(int number) {
  child_lock lock(*mutex_);
  require_attached();
  if (record_ || pid_ <= 0) return number < 0 || number >= NSIG ? EINVAL : 0;
  int error = process_->signal(number);
  return error == ESRCH ? 0 : error;
}

void child_state::signal_all(int number) {
  if (leads_group_) process_->signal_group(number);
  // A child that has moved to another group since (a shell with job control) gets its own.
  if (!leads_group_ || !os::leads_its_group(pid_)) process_->signal(number);
}

void child_state::begin_stop(const stop_policy& policy) {
  if (policy.grace() <= duration::zero()) return kill_now();
  child_lock lock(*mutex_);
  if (record_ || stage_ == stage::detached) return;
  const clock::time_point kill_at = after(clock::now(), policy.grace());
  if (stage_ != stage::stopping || policy.signal() != stop_signal_) {
    stage_ = stage::stopping;
    stop_signal_ = policy.signal();
    signal_all(policy.signal());
    // A stopped process takes no signal but these two, signal(7).
    if (policy.signal() != SIGKILL) signal_all(SIGCONT);
  }
  expect_end(kill_at);
}

void child_state::kill_now() {
  child_lock lock(*mutex_);
  if (record_ || stage_ == stage::detached) return;
  stage_ = stage::stopping;
  stop_signal_ = SIGKILL;
  signal_all(SIGKILL);
  expect_end(clock::time_point::max());
}

void child_state::expect_end(clock::time_point kill_at) {
  arm();
  if (!executor_ || kill_at >= kill_at_) return;
  set_timer(grace_timer_, kill_at, &child_state::on_grace_over);
  kill_at_ = kill_at; // not if there was no memory for it
}

void child_state::set_timer(std::optional<asio::steady_timer>& timer, clock::time_point at,
                            void (child_state::*then)()) {
  asio::steady_timer next(executor_, at);
  next.async_wait([self = shared_from_this(), then](const asio::error_code& error) {
    if (!error) (self.get()->*then)();
  });
  timer.emplace(std::move(next)); // one that was set before is kept until here
}

void child_state::on_grace_over() {
  child_lock lock(*mutex_);
  if (stage_ == stage::stopping && !record_) signal_all(SIGKILL);
}

void child_state::on_timeout() {
  child_lock lock(*mutex_);
  deadline_timer_.reset();
  if (stage_ == stage::detached) return;
  try_reap();
  if (record_) return;
  timed_out_ = !over_limit_;
  begin_stop(access::spec(command_).stop);
  rethrow_any(tell(&exit_observer::on_deadline));
}

void child_state::detach() {
  child_lock lock(*mutex_);
  if (stage_ == stage::detached) return;
  stage_ = stage::detached;
  let_go_of_loop();
  if (!record_) process_->give_up(nullptr, {});
  close_streams();
  const std::exception_ptr failure = tell(&exit_observer::on_abandoned);
  observers_.clear();
  rethrow_any(failure);
}

void child_state::close_streams() noexcept {
  in = {};
  out = {};
  err = {};
  if (background_input) background_input->close();
}

void child_state::abandon() noexcept {
  child_lock lock(*mutex_);
  const bool unreaped = stage_ != stage::detached && !record_ && pid_ > 0;
  const os::presence now = unreaped ? process_->look() : os::presence::taken;
  // What it has left behind in its group when it ended by itself is spared, as it is by poll().
  if (now == os::presence::running || (now == os::presence::ended && stage_ == stage::stopping))
    signal_all(SIGKILL);
  abandoned_ = stage_ != stage::detached;
  if (stage_ != stage::ended) stage_ = stage::detached;
  let_go_of_loop();
  if (unreaped) process_->give_up(service(), executor_);
  close_streams();
  tell(&exit_observer::on_abandoned); // whom there is no memory to resume is destroyed
  observers_.clear();
}

void child_state::shutdown() noexcept {
  std::vector<std::shared_ptr<exit_observer>> observers;
  {
    child_lock lock(*mutex_);
    let_go_of_loop();
    executor_ = {};
    observers.swap(observers_);
  }
  // Dropping them, outside of the lock, destroys the coroutines that wait.
}

} // namespace coproc::detail
