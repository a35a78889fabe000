#include "ipc/shared_line.hpp"

#include "os/error.hpp"

#include <asio/bind_executor.hpp>
#include <asio/cancellation_state.hpp>
#include <asio/this_coro.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

namespace coproc::detail {

/// A coroutine's place in the line, for as long as its operation takes. Whoever leaves lets the next one try.
class shared_line::place {
public:
  explicit place(std::shared_ptr<shared_line> line)
      : line_(std::move(line)), at_(line_->insert(std::make_shared<entry>())) {}
  place(const place&) = delete;
  ~place() { line_->erase(at_); }

  bool is_first() const { return line_->entries_.begin() == at_; }
  const std::shared_ptr<entry>& operator*() const { return *at_; }

private:
  std::shared_ptr<shared_line> line_;
  entries::iterator at_;
};

asio::awaitable<ring_result> shared_line::pass(std::shared_ptr<shared_line> line,
                                               asio::any_io_executor executor,
                                               const std::function<ring_result()>& attempt,
                                               std::optional<duration> limit) {
  const cancellation_watch watch(co_await asio::this_coro::cancellation_state);
  const bool breathes = line->breathing_.due();
  if (!breathes && line->entries_.empty()) {
    const ring_result result = attempt();
    if (result == ring_result::done || result == ring_result::closed) co_return result;
  }

  place mine(line);
  auto end = std::chrono::steady_clock::time_point::max();
  std::optional<asio::steady_timer> timer;
  if (limit) {
    end = after(std::chrono::steady_clock::now(), *limit);
    timer.emplace(executor, end);
    timer->async_wait([weak = line->weak_from_this(),
                       weak_entry = std::weak_ptr<entry>(*mine)](const asio::error_code& error) {
      auto self = weak.lock();
      auto waiting = weak_entry.lock();
      if (self && waiting && !error) self->wake(*waiting);
    });
  }
  // In the line, and with the time running: who comes meanwhile comes after it.
  if (breathes) {
    co_await pass_through_loop();
    if (line->aborted_) std::rethrow_exception(aborted());
  }
  auto enter = [line, waiting = *mine](suspension<bool> coroutine) {
    line->enter(waiting, std::move(coroutine));
  };
  for (;;) {
    line->begin_to_look(**mine);
    if (mine.is_first()) {
      // What others do at this moment may be enough, and waiting takes many system calls.
      const unsigned most = line->passes_;
      for (unsigned passes = 0; passes < most; ++passes) {
        co_await pass_through_loop();
        if (line->aborted_) std::rethrow_exception(aborted());
        if (!line->ring_->looks_open(line->gate_)) continue;
        line->passes_ = std::min(most + 1, 16u);
        break;
      }
      const ring_result result = line->look(attempt, executor);
      if (result == ring_result::not_yet && most > 1) --line->passes_;
      if (result == ring_result::done || result == ring_result::closed) co_return result;
    }
    if (limit) {
      // As the blocking forms do, the first one gives a lock that is held a chance to become free.
      const auto last = line->busy_ && mine.is_first() ? after(end, shared_ring::patience) : end;
      if (std::chrono::steady_clock::now() >= last)
        co_return line->busy_ ? ring_result::busy : ring_result::not_yet;
    }
    auto wait = enter;
    co_await suspend<bool>(std::move(wait));
    if (line->aborted_) std::rethrow_exception(aborted());
    // What was cancelled after it had been woken takes nothing either.
    watch.throw_if_cancelled();
  }
}

/// Tries. If that has to wait, makes sure that the first one will be woken.
ring_result shared_line::look(const std::function<ring_result()>& attempt,
                              const asio::any_io_executor& executor) {
  busy_ = false;
  for (;;) {
    ring_result result = attempt();
    if (result == ring_result::done || result == ring_result::closed) return result;
    if (result == ring_result::not_yet) result = ring_->arm(gate_);
    if (result == ring_result::done) continue; // it has opened meanwhile
    // A lock is held for a moment, unless by somebody who copies much or was stopped.
    busy_ = result == ring_result::busy;
    busy_ ? look_again_soon(executor) : watch_event(executor);
    return ring_result::not_yet;
  }
}

// Handlers run where the coroutine does that waits: where the handle was used first may be busy now.

void shared_line::watch_event(const asio::any_io_executor& executor) {
  std::lock_guard lock(mutex_);
  if (watching_) return;
  if (!event_) {
    os::unique_fd own = os::duplicate(ring_->event(gate_));
    if (!own) os::throw_errno(errno, "wait for a shared queue");
    event_.emplace(executor, std::move(own), "shared_queue");
  }
  auto handler = [weak = weak_from_this(), watch = ++watch_](const asio::error_code&) {
    if (auto self = weak.lock()) self->on_event(watch);
  };
  event_->async_wait(stream_end::wait_type::wait_read, asio::bind_executor(executor, std::move(handler)));
  watching_ = true;
}

void shared_line::look_again_soon(const asio::any_io_executor& executor) {
  std::lock_guard lock(mutex_);
  if (!patience_) patience_.emplace(executor);
  patience_->expires_after(std::chrono::milliseconds(1));
  auto handler = [weak = weak_from_this()](const asio::error_code& error) {
    auto self = weak.lock();
    if (self && !error) self->wake_first();
  };
  patience_->async_wait(asio::bind_executor(executor, std::move(handler)));
}

void shared_line::stop_watching() noexcept {
  if (ended_) return;
  try {
    if (std::exchange(watching_, false)) event_->cancel();
    if (patience_) patience_->cancel();
  } catch (...) {
    // Neither has a failure that could be met here.
  }
}

template <class Choose>
shared_line::waiter shared_line::locked(Choose choose) {
  std::lock_guard lock(mutex_);
  return choose();
}

template <class Choose>
void shared_line::resume(Choose choose) {
  if (waiter chosen = locked(choose)) chosen->complete(true);
}

shared_line::waiter shared_line::take(entry& from) {
  from.woken = true;
  return std::exchange(from.waits, std::nullopt);
}

shared_line::waiter shared_line::take_first() {
  if (ended_ || entries_.empty()) return std::nullopt;
  return take(*entries_.front());
}

/// @returns one after the other, of all that wait.
shared_line::waiter shared_line::take_any() {
  return locked([this]() -> waiter {
    for (const auto& one : entries_)
      if (waiter taken = take(*one)) return taken;
    return std::nullopt;
  });
}

void shared_line::wake(entry& one) {
  resume([&] { return take(one); });
}

void shared_line::wake_first() {
  resume([this] { return take_first(); });
}

void shared_line::on_event(unsigned watch) {
  resume([&]() -> waiter {
    if (!watching_ || watch != watch_) return std::nullopt;
    watching_ = false;
    return take_first();
  });
}

shared_line::entries::iterator shared_line::insert(std::shared_ptr<entry> last) {
  std::lock_guard lock(mutex_);
  return entries_.insert(entries_.end(), std::move(last));
}

void shared_line::erase(entries::iterator at) {
  resume([&]() -> waiter {
    const bool was_first = at == entries_.begin();
    entries_.erase(at);
    if (entries_.empty()) stop_watching();
    return was_first ? take_first() : std::nullopt;
  });
}

void shared_line::begin_to_look(entry& one) {
  std::lock_guard lock(mutex_);
  one.woken = false;
}

/// Lets a coroutine wait, unless it has been woken since it began to look.
void shared_line::enter(const std::shared_ptr<entry>& at, suspension<bool> coroutine) {
  auto on_cancel = [weak = std::weak_ptr<entry>(at)](shared_line& line, asio::cancellation_type_t type) {
    auto cancelled = weak.lock();
    if (cancelled && type != asio::cancellation_type::none) line.cancel(*cancelled);
  };
  coroutine.on_cancellation(shared_from_this(), std::move(on_cancel));
  resume([&]() -> waiter {
    if (at->woken) return std::move(coroutine);
    at->waits.emplace(std::move(coroutine));
    return std::nullopt;
  });
}

void shared_line::cancel(entry& one) {
  if (waiter cancelled = locked([&] { return take(one); })) cancelled->fail(aborted());
}

void shared_line::abort_all() noexcept {
  {
    std::lock_guard lock(mutex_);
    aborted_ = true;
    if (ended_) return;
    stop_watching();
  }
  // Each leaves the line when it resumes.
  while (waiter left = take_any()) left->fail(aborted());
}

void shared_line::end() noexcept {
  {
    std::lock_guard lock(mutex_);
    ended_ = true;
    event_.reset();
    patience_.reset();
  }
  // To drop a suspension is to destroy its coroutine, which leaves the line.
  while (waiter dropped = take_any()) dropped.reset();
}

} // namespace coproc::detail
