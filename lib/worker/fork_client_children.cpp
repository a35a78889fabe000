// What others ask a fork client about the children of its server, and are told of them.
#include "worker/fork_client.hpp"

#include "worker/protocol.hpp"

#include <coproc/wire.hpp>

#include <asio/post.hpp>

#include <cerrno>
#include <chrono>
#include <new>
#include <utility>

namespace coproc::detail {

void fork_client::wait_for(std::uint64_t id, handler_type handler) {
  lock_type lock(mutex_);
  auto at = children_.find(id);
  std::list<shared_handler> shared;
  shared.push_back(std::make_shared<const handler_type>(std::move(handler)));
  if (at == children_.end() || at->second.record) return post(shared, news::ended);
  at->second.on_end = std::move(shared);
  ++waiting_;
  try {
    watch(lock);
  } catch (...) {
    --waiting_;
    at->second.on_end.clear();
    throw;
  }
}

void fork_client::cancel_wait(std::uint64_t id) noexcept {
  lock_type lock(mutex_);
  auto at = children_.find(id);
  if (at != children_.end()) abort_wait(lock, at->second);
}

void fork_client::abort_wait(lock_type&, entry& child) noexcept {
  if (child.on_end.empty()) return;
  --waiting_;
  try {
    post(child.on_end, news::aborted);
  } catch (...) {
    // It needs not be told: whoever aborts the wait knows. But it is not to be dropped under the lock.
    graveyard_.splice(graveyard_.end(), child.on_end);
  }
  if (waiting_ == 0) link_.unwatch();
}

std::optional<os::exit_record> fork_client::look(std::uint64_t id) {
  lock_type lock(mutex_);
  auto at = children_.find(id);
  if (at != children_.end() && !at->second.record) {
    drain(lock, extent::all);
    watch(lock); // that may have been the last thing to wait for
    at = children_.find(id);
  }
  if (at == children_.end()) return std::nullopt;
  return at->second.record;
}

bool fork_client::knows(std::uint64_t id) {
  lock_type lock(mutex_);
  return children_.contains(id);
}

void fork_client::forget(std::uint64_t id) noexcept {
  lock_type lock(mutex_);
  forget_locked(lock, id);
}

void fork_client::forget_locked(lock_type& lock, std::uint64_t id) noexcept {
  auto at = children_.find(id);
  if (at == children_.end()) return;
  abort_wait(lock, at->second);
  children_.erase(at);
  if (waiting_ == 0) link_.unwatch();
  close_if_done(lock);
}

int fork_client::signal(std::uint64_t id, int number, signal_target target) noexcept {
  try {
    lock_type lock(mutex_);
    if (!link_.is_open() || !children_.contains(id)) return ESRCH;
    child_signal order;
    order.id = id;
    order.number = number;
    order.to_group = target == signal_target::group;
    message encoded;
    wire::encode(encoded, order);
    int error = link_.send(fork_kind::signal, encoded);
    // A few hundred at once are more than the socket holds. Nobody else can do it, and the server takes them
    // in no time, unless somebody has stopped it; that is found out once.
    constexpr int most = 100; // milliseconds
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(most);
    while (error == EAGAIN && !stuck_) {
      stuck_ = !link_.wait_writable(most) && std::chrono::steady_clock::now() >= end;
      error = link_.send(fork_kind::signal, encoded);
    }
    if (error == 0) stuck_ = false;
    return error;
  } catch (const std::bad_alloc&) {
    return ENOMEM;
  }
}

/// Whoever waits for the child, if somebody does. @throws std::bad_alloc: it waits still.
void fork_client::tell(entry& child, news what) {
  if (child.on_end.empty()) return;
  try {
    post(child.on_end, what);
  } catch (...) {
    untold_ = true;
    link_.unwatch(); // so that the loop tries again
    throw;
  }
  --waiting_;
}

void fork_client::tell_untold(lock_type&) {
  if (!untold_) return;
  for (auto& [id, child] : children_)
    if (child.record) tell(child, news::ended);
  untold_ = false;
}

/// Leaves @p handler empty. @throws std::bad_alloc: it is as before.
void fork_client::post(std::list<shared_handler>& handler, news what) {
  if (!executor_) return graveyard_.splice(graveyard_.end(), handler);
  asio::post(executor_, [weak = weak_from_this(), handler = handler.front(), what] {
    // A handler may be what keeps a child, whose end asks the client: it is not to be dropped under the lock.
    if (auto client = weak.lock()) lock_type until_its_copy_is_gone(client->mutex_);
    (*handler)(what == news::aborted);
  });
  handler.clear(); // not the last one
}

} // namespace coproc::detail
