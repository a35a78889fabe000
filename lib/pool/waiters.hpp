#pragma once

#include "loop/context_service.hpp"
#include "loop/suspension.hpp"

#include <asio/steady_timer.hpp>

#include <algorithm>
#include <chrono>
#include <exception>
#include <list>
#include <memory>
#include <optional>
#include <utility>

namespace coproc::detail {

/// Coroutines that wait for the same thing.
class waiters {
public:
  waiters() : list_(std::make_shared<list>()) {}
  waiters(const waiters&) = delete;

  /// Adds one, for @p limit at most. It completes with whether the thing has come. Called inside of an Asio
  /// initiation, which nothing may be thrown out of: without memory, the coroutine is told so.
  void add(suspension<bool> waiter, std::optional<duration> limit = std::nullopt) {
    std::shared_ptr<entry> added;
    try {
      added = std::make_shared<entry>(std::move(waiter)); // which moves it when there is room
    } catch (...) {
      return waiter.fail(std::current_exception());
    }
    try {
      listen(added, limit);
      list_->push_back(added);
    } catch (...) {
      added->timer.reset();
      added->waiter.fail(std::current_exception());
    }
  }

  bool empty() const noexcept { return list_->empty(); }
  void complete_all() {
    for (auto& each : std::exchange(*list_, {})) each->waiter.complete(true);
  }
  void complete_first() {
    auto first = list_->front();
    list_->pop_front();
    first->waiter.complete(true);
  }
  void fail_all(const std::exception_ptr& error) {
    for (auto& each : std::exchange(*list_, {})) each->waiter.fail(error);
  }
  /// Destroys them without completing them.
  void drop() noexcept { std::exchange(*list_, {}); }

private:
  struct entry {
    explicit entry(suspension<bool> waiter_) : waiter(std::move(waiter_)) {}
    suspension<bool> waiter;
    std::optional<asio::steady_timer> timer;
  };
  using list = std::list<std::shared_ptr<entry>>;

  void listen(const std::shared_ptr<entry>& added, std::optional<duration> limit) {
    std::weak_ptr<list> in = list_;
    added->waiter.on_cancellation(added, [in](entry& self, asio::cancellation_type_t type) {
      if (type != asio::cancellation_type::none)
        if (auto found = take(in, self)) found->waiter.fail(aborted());
    });
    if (!limit) return;
    added->timer.emplace(added->waiter.executor(), after(std::chrono::steady_clock::now(), *limit));
    added->timer->async_wait([in, weak = std::weak_ptr<entry>(added)](const asio::error_code& error) {
      auto self = weak.lock();
      if (error || !self) return;
      if (auto found = take(in, *self)) found->waiter.complete(false);
    });
  }

  static std::shared_ptr<entry> take(const std::weak_ptr<list>& in, entry& which) {
    auto alive = in.lock();
    if (!alive) return nullptr;
    auto at = std::find_if(alive->begin(), alive->end(), [&](auto& each) { return each.get() == &which; });
    if (at == alive->end()) return nullptr;
    auto found = *at;
    alive->erase(at);
    return found;
  }

  std::shared_ptr<list> list_;
};

} // namespace coproc::detail
