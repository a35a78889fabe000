#include "ipc/shared_line.hpp"

#include "os/error.hpp"

#include <asio/cancellation_state.hpp>
#include <asio/this_coro.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

namespace coproc::detail {

void shared_line::entry::wake() {
  woken = true;
  if (!waiter) return;
  suspension<bool> resumed = std::move(*waiter);
  waiter.reset();
  resumed.complete(true);
}

void shared_line::entry::fail(const std::exception_ptr& error) {
  if (!waiter) return;
  suspension<bool> resumed = std::move(*waiter);
  waiter.reset();
  resumed.fail(error);
}

/// A coroutine's place in the line, for as long as its operation takes. Whoever leaves lets the next one try.
class shared_line::place {
public:
  explicit place(std::shared_ptr<shared_line> line)
      : line_(std::move(line)),
        at_(line_->entries_.insert(line_->entries_.end(), std::make_shared<entry>())) {}
  place(const place&) = delete;
  ~place() {
    const bool was_first = is_first();
    line_->entries_.erase(at_);
    if (line_->entries_.empty())
      line_->stop_watching();
    else if (was_first)
      line_->wake_first();
  }

  bool is_first() const { return line_->entries_.begin() == at_; }
  const std::shared_ptr<entry>& operator*() const { return *at_; }

private:
  std::shared_ptr<shared_line> line_;
  entries::iterator at_;
};

asio::awaitable<ring_result> shared_line::pass(std::shared_ptr<shared_line> line,
                                               const std::function<ring_result()>& attempt,
                                               std::optional<duration> limit) {
  asio::any_io_executor executor = co_await asio::this_coro::executor;
  line->bind(executor, "shared_queue");
  const cancellation_watch watch(co_await asio::this_coro::cancellation_state);
  if (line->breathing_.due()) co_await pass_through_loop();
  if (line->entries_.empty()) {
    const ring_result result = attempt();
    if (result == ring_result::done || result == ring_result::closed) co_return result;
  }

  place mine(line);
  auto end = std::chrono::steady_clock::time_point::max();
  std::optional<asio::steady_timer> timer;
  if (limit) {
    end = after(std::chrono::steady_clock::now(), *limit);
    timer.emplace(executor, end);
    timer->async_wait([weak = std::weak_ptr<entry>(*mine)](const asio::error_code& error) {
      auto waiting = weak.lock();
      if (waiting && !error) waiting->wake();
    });
  }
  auto enqueue = [line, waiting = *mine](suspension<bool> waiter) {
    waiting->waiter.emplace(std::move(waiter));
    waiting->waiter->on_cancellation(waiting, [](entry& cancelled, asio::cancellation_type_t type) {
      if (type != asio::cancellation_type::none) cancelled.fail(aborted());
    });
  };
  for (;;) {
    (*mine)->woken = false;
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
    if (!(*mine)->woken) {
      auto wait = enqueue;
      co_await suspend<bool>(std::move(wait));
    }
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

void shared_line::watch_event(const asio::any_io_executor& executor) {
  if (watching_) return;
  if (!event_) {
    os::unique_fd own = os::duplicate(ring_->event(gate_));
    if (!own) os::throw_errno(errno, "wait for a shared queue");
    event_.emplace(executor, std::move(own), "shared_queue");
  }
  event_->async_wait(stream_end::wait_type::wait_read,
                     [weak = weak_from_this()](const asio::error_code& error) {
                       auto self = weak.lock();
                       if (!self) return;
                       self->watching_ = false;
                       if (!error || !self->entries_.empty()) self->wake_first();
                     });
  watching_ = true;
}

void shared_line::look_again_soon(const asio::any_io_executor& executor) {
  if (!patience_) patience_.emplace(executor);
  patience_->expires_after(std::chrono::milliseconds(1));
  patience_->async_wait([weak = weak_from_this()](const asio::error_code& error) {
    auto self = weak.lock();
    if (self && !error) self->wake_first();
  });
}

void shared_line::stop_watching() noexcept {
  if (ended_) return;
  try {
    if (watching_ && event_) event_->cancel();
    if (patience_) patience_->cancel();
  } catch (...) {
    // Neither has a failure that could be met here.
  }
}

void shared_line::wake_first() {
  if (!ended_ && !entries_.empty()) entries_.front()->wake();
}

void shared_line::abort_all() noexcept {
  aborted_ = true;
  // Each leaves the line when it resumes.
  if (ended_) return;
  for (const auto& waiting : entries_) {
    waiting->woken = true;
    waiting->fail(aborted());
  }
  stop_watching();
}

void shared_line::shutdown() noexcept {
  ended_ = true;
  event_.reset();
  patience_.reset();
  // To drop a suspension is to destroy its coroutine, which leaves the line.
  const auto waits = [](const std::shared_ptr<entry>& one) { return one->waiter.has_value(); };
  for (;;) {
    const auto at = std::find_if(entries_.begin(), entries_.end(), waits);
    if (at == entries_.end()) return;
    const auto dropped = std::exchange((*at)->waiter, std::nullopt);
  }
}

} // namespace coproc::detail
