// What others ask a fork client about the children of its server.
#include "worker/fork_client.hpp"

#include "worker/protocol.hpp"

#include <coproc/wire.hpp>

#include <cerrno>
#include <chrono>
#include <new>
#include <utility>

namespace coproc::detail {

void fork_client::wait_for(std::uint64_t id, handler_type handler) {
  lock_type lock(mutex_);
  auto at = children_.find(id);
  if (at == children_.end() || at->second.record) return post(std::move(handler), false);
  at->second.on_end = std::move(handler);
  ++waiting_;
  watch(lock);
}

void fork_client::cancel_wait(std::uint64_t id) {
  lock_type lock(mutex_);
  auto at = children_.find(id);
  if (at == children_.end() || !at->second.on_end) return;
  --waiting_;
  post(std::exchange(at->second.on_end, nullptr), true);
  watch(lock);
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

void fork_client::forget(std::uint64_t id) {
  lock_type lock(mutex_);
  forget_locked(lock, id);
}

void fork_client::forget_locked(lock_type& lock, std::uint64_t id) {
  auto at = children_.find(id);
  if (at == children_.end()) return;
  if (at->second.on_end) {
    --waiting_;
    post(std::exchange(at->second.on_end, nullptr), true);
  }
  children_.erase(at);
  watch(lock);
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

} // namespace coproc::detail
