#pragma once

#include "loop/suspension.hpp"

#include <asio/awaitable.hpp>

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace coproc::detail {

/// A cap on how many do a thing at once, on any threads and loops: `coproc::semaphore` is for one. Who finds
/// no place waits for one, first come, first served.
class places : public std::enable_shared_from_this<places> {
public:
  explicit places(std::size_t count) : free_(count) {}

  /// Given back when it is destroyed.
  class place {
  public:
    explicit place(std::shared_ptr<places> of) : of_(std::move(of)) {}
    place(place&&) noexcept = default;
    ~place() {
      if (of_) of_->leave();
    }

  private:
    std::shared_ptr<places> of_;
  };

  /// **Cancellation**: terminal, partial and total; no place is taken then.
  static asio::awaitable<place> enter(std::shared_ptr<places> self);

  /// Drops those that wait: their event loop ends.
  void shutdown() noexcept;

private:
  struct waiting {
    std::optional<suspension<bool>> waiter; // there is room for it before there is one
  };

  bool try_enter();
  void queue_up(const std::shared_ptr<waiting>& added);
  void abort(const waiting& one);
  void leave() noexcept;

  std::mutex mutex_;
  std::size_t free_;
  std::list<std::shared_ptr<waiting>> queue_;
};

} // namespace coproc::detail
