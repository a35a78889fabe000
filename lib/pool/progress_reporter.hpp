#pragma once

#include <coproc/progress.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/post.hpp>

#include <functional>
#include <memory>
#include <utility>

namespace coproc::detail {

/// Calls an on_progress function from the loop: once for all that has happened since it was last called.
class progress_reporter {
public:
  explicit progress_reporter(const std::function<void(progress)>& call)
      : call_(call ? std::make_shared<std::function<void(progress)>>(call) : nullptr) {}
  progress_reporter(const progress_reporter&) = delete;

  /// Something has happened to @p whose, whose progress_now() will say what; or nothing any more.
  template <class Whose>
  void notice(Whose& whose, const asio::any_io_executor& executor) {
    if (!call_ || std::exchange(pending_, true)) return;
    auto report = [this, weak = whose.weak_from_this()] {
      auto alive = weak.lock();
      if (!alive) return;
      pending_ = false;
      // One function object throughout, which may keep count of something; it may also end whose it is.
      auto call = call_;
      if (auto now = alive->progress_now()) (*call)(*now);
    };
    try {
      asio::post(executor, std::move(report));
    } catch (...) {
      pending_ = false; // no memory: the next report tells of this, too
    }
  }

  /// Whether there is something that the function has not been told yet.
  bool pending() const noexcept { return pending_; }

private:
  const std::shared_ptr<std::function<void(progress)>> call_; // null: nobody asks
  bool pending_ = false;
};

} // namespace coproc::detail
