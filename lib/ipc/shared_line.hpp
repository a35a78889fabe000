#pragma once

#include "ipc/shared_ring.hpp"
#include "loop/context_service.hpp"
#include "loop/suspension.hpp"
#include "program/stream_end.hpp"

#include <coproc/duration.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/steady_timer.hpp>

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>

namespace coproc::detail {

/// The coroutines of one handle that wait for a gate of a shared ring, first come, first served. The first of
/// them tries, and waits for the gate's event; the others wait for it to be gone.
///
/// They come one at a time, but the loop may be run by several threads: what wakes them (the event, timers,
/// cancellation) comes on any of them, also while they run. Whoever takes a waiter out, under the lock,
/// completes it, without the lock.
class shared_line final : public std::enable_shared_from_this<shared_line> {
public:
  shared_line(std::shared_ptr<shared_ring> ring, ring_gate gate) : ring_(std::move(ring)), gate_(gate) {}
  shared_line(const shared_line&) = delete;

  /// Calls @p attempt until it returns done or closed, or the time is up. It is not to sleep: it can say
  /// busy.
  /// @param executor that of the coroutine, always of the same context.
  /// @param attempt has to live until the end of the operation.
  /// @returns what it returned; when the time is up, not_yet, or busy if that was the reason.
  static asio::awaitable<ring_result> pass(std::shared_ptr<shared_line> line, asio::any_io_executor executor,
                                           const std::function<ring_result()>& attempt,
                                           std::optional<duration> limit);

  /// The handle is gone.
  void abort_all() noexcept;
  /// The context ends.
  void end() noexcept;

private:
  using waiter = std::optional<suspension<bool>>;
  struct entry {
    waiter waits;       // while it does
    bool woken = false; // since it last began to look
  };
  using entries = std::list<std::shared_ptr<entry>>;
  class place;

  ring_result look(const std::function<ring_result()>& attempt, const asio::any_io_executor& executor);
  void watch_event(const asio::any_io_executor& executor);
  void look_again_soon(const asio::any_io_executor& executor);
  void on_event(unsigned watch);
  entries::iterator insert(std::shared_ptr<entry> last);
  void erase(entries::iterator at);
  void begin_to_look(entry& one);
  void enter(const std::shared_ptr<entry>& at, suspension<bool> coroutine);
  void wake(entry& one);
  void wake_first();
  void cancel(entry& one);
  waiter take_any();

  /// Calls @p choose under the lock. @returns what it does, to be completed without it.
  template <class Choose>
  waiter locked(Choose choose);
  /// As locked(), and resumes it.
  template <class Choose>
  void resume(Choose choose);
  // These are called under the lock:
  static waiter take(entry& from);
  waiter take_first();
  void stop_watching() noexcept;

  std::shared_ptr<shared_ring> ring_;
  ring_gate gate_;

  // The coroutines' alone, and so without a lock.
  unsigned passes_ = 4; // through the loop before waiting: more if that has been of use lately
  bool busy_ = false;   // the last look met a lock that was held
  breather breathing_;

  std::mutex mutex_;
  entries entries_;                 // only coroutines change the list: they read it without the lock
  std::optional<stream_end> event_; // a duplicate, since a descriptor can be in a loop only once
  std::optional<asio::steady_timer> patience_;
  unsigned watch_ = 0; // which one it is: one that was cancelled may have its handler yet to come
  bool watching_ = false;
  bool ended_ = false;               // the context is
  std::atomic<bool> aborted_{false}; // the handle is gone
};

} // namespace coproc::detail
