#pragma once

#include "ipc/shared_ring.hpp"
#include "loop/context_service.hpp"
#include "loop/suspension.hpp"
#include "program/stream_end.hpp"

#include <coproc/duration.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/steady_timer.hpp>

#include <functional>
#include <list>
#include <memory>
#include <optional>

namespace coproc::detail {

/// The coroutines of one handle that wait for a gate of a shared ring, first come, first served. The first of
/// them tries, and waits for the gate's event; the others wait for it to be gone.
class shared_line final : public context_object, public std::enable_shared_from_this<shared_line> {
public:
  shared_line(std::shared_ptr<shared_ring> ring, ring_gate gate) : ring_(std::move(ring)), gate_(gate) {}

  /// Calls @p attempt until it returns done or closed, or the time is up. It is not to sleep: it can say
  /// busy.
  /// @param attempt has to live until the end of the operation.
  /// @returns what it returned; when the time is up, not_yet, or busy if that was the reason.
  static asio::awaitable<ring_result> pass(std::shared_ptr<shared_line> line,
                                           const std::function<ring_result()>& attempt,
                                           std::optional<duration> limit);

  /// The handle is gone.
  void abort_all() noexcept;

private:
  struct entry {
    std::optional<suspension<bool>> waiter; // while it waits
    bool woken = false;                     // before it waited

    void wake();
    void fail(const std::exception_ptr& error);
  };
  using entries = std::list<std::shared_ptr<entry>>;
  class place;

  void shutdown() noexcept override;
  ring_result look(const std::function<ring_result()>& attempt, const asio::any_io_executor& executor);
  void watch_event(const asio::any_io_executor& executor);
  void look_again_soon(const asio::any_io_executor& executor);
  void stop_watching() noexcept;
  void wake_first();

  std::shared_ptr<shared_ring> ring_;
  ring_gate gate_;
  entries entries_;
  std::optional<stream_end> event_; // a duplicate, since a descriptor can be in a loop only once
  std::optional<asio::steady_timer> patience_;
  unsigned passes_ = 4; // through the loop before waiting: more if that has been of use lately
  bool watching_ = false;
  bool busy_ = false;    // the last look met a lock that was held
  bool aborted_ = false; // the handle is gone
  bool ended_ = false;   // the context is
  breather breathing_;
};

} // namespace coproc::detail
