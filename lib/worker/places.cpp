#include "worker/places.hpp"

#include <algorithm>
#include <exception>

namespace coproc::detail {

asio::awaitable<places::place> places::enter(std::shared_ptr<places> self) {
  if (!self->try_enter()) {
    auto wait = [self, added = std::make_shared<waiting>()](suspension<bool> waiter) {
      added->waiter.emplace(std::move(waiter));
      self->queue_up(added);
    };
    co_await suspend<bool>(std::move(wait));
  }
  co_return place(std::move(self));
}

void places::shutdown() noexcept {
  std::list<std::shared_ptr<waiting>> queue;
  {
    std::lock_guard lock(mutex_);
    queue.swap(queue_);
  }
  // Dropping them, outside of the lock, destroys the coroutines that wait.
}

bool places::try_enter() {
  std::lock_guard lock(mutex_);
  if (free_ == 0 || !queue_.empty()) return false;
  --free_;
  return true;
}

/// Must not throw: it runs inside of an Asio initiation.
void places::queue_up(const std::shared_ptr<waiting>& added) {
  const auto on_cancel = [weak = weak_from_this()](waiting& one, asio::cancellation_type_t type) {
    auto self = weak.lock();
    if (self && type != asio::cancellation_type::none) self->abort(one);
  };
  try {
    added->waiter->on_cancellation(added, on_cancel);
    std::lock_guard lock(mutex_);
    if (free_ == 0) return queue_.push_back(added);
    --free_;
  } catch (...) {
    return added->waiter->fail(std::current_exception());
  }
  added->waiter->complete(true);
}

void places::abort(const waiting& one) {
  std::shared_ptr<waiting> found;
  {
    std::lock_guard lock(mutex_);
    auto at = std::find_if(queue_.begin(), queue_.end(), [&](const auto& w) { return w.get() == &one; });
    if (at == queue_.end()) return; // it has its place
    found = std::move(*at);
    queue_.erase(at);
  }
  found->waiter->fail(aborted());
}

void places::leave() noexcept {
  std::shared_ptr<waiting> next;
  {
    std::lock_guard lock(mutex_);
    if (queue_.empty()) {
      ++free_;
      return;
    }
    next = std::move(queue_.front());
    queue_.pop_front();
  }
  next->waiter->complete(true);
}

} // namespace coproc::detail
