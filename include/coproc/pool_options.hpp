#pragma once

#include <coproc/detail/pool_target.hpp>
#include <coproc/duration.hpp>
#include <coproc/progress.hpp>
#include <coproc/start_method.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace coproc {

namespace detail {
struct pool_access;
}

/// How a pool works. Each option has an & and an && overload, so that one can write
/// `pool_options().size(4).task_timeout(10s)`.
class pool_options {
public:
  pool_options() = default;

  /// How many tasks and programs run at once. By default as many as there are CPUs that this process may use.
  /// @throws std::invalid_argument for 0; for a negative number, too (here and in the other options).
  pool_options& size(std::size_t slots) &;
  pool_options&& size(std::size_t slots) && { return std::move(size(slots)); }

  /// How workers are started. By default as processes are: forkserver where it is supported, else spawn.
  pool_options& method(start_method how) &;
  pool_options&& method(start_method how) && { return std::move(method(how)); }

  /// A worker that has been given so many tasks (or items) is replaced by a new one. By default it lives as
  /// long as the pool. @throws std::invalid_argument for 0.
  pool_options& max_tasks_per_child(std::size_t tasks) &;
  pool_options&& max_tasks_per_child(std::size_t tasks) && { return std::move(max_tasks_per_child(tasks)); }

  /// A worker that has more than @p bytes of resident memory after a task is replaced.
  /// @throws std::invalid_argument for 0.
  pool_options& max_rss(std::size_t bytes) &;
  pool_options&& max_rss(std::size_t bytes) && { return std::move(max_rss(bytes)); }

  /// Each worker calls @p Fn with @p arguments before its first task. The arguments are encoded now, and each
  /// worker gets all of them: one end of a connection is then in the hands of several. If it throws, the
  /// worker is replaced; if that keeps happening, the tasks that wait fail with worker_died, which says why.
  template <auto Fn, class... A>
  pool_options& initializer(target_t<Fn>, A&&... arguments) & {
    detail::pool_runner<Fn>::template check<A...>();
    auto encoded = std::make_shared<detail::message>();
    detail::pool_runner<Fn>::encode(*encoded, std::forward<A>(arguments)...);
    initializer_ = detail::pool_target_of<Fn>();
    initializer_arguments_ = std::move(encoded);
    return *this;
  }
  template <auto Fn, class... A>
  pool_options&& initializer(target_t<Fn> function, A&&... arguments) && {
    return std::move(initializer(function, std::forward<A>(arguments)...));
  }

  /// How many tasks may wait for a slot: beyond that apply_async() is queue_full, and apply() waits. By
  /// default any number. The items of map() and its like do not count: they are bounded anyway.
  /// @throws std::invalid_argument for 0.
  pool_options& max_pending(std::size_t tasks) &;
  pool_options&& max_pending(std::size_t tasks) && { return std::move(max_pending(tasks)); }

  /// A task (or item) that runs longer, counted from its start in the worker, fails with timeout_expired; its
  /// worker is killed and replaced. A worker that takes as long to begin a task is replaced as well, and the
  /// task runs elsewhere. The initializer is not timed. By default there is no limit. @throws
  /// std::invalid_argument unless it is positive.
  pool_options& task_timeout(duration limit) &;
  pool_options&& task_timeout(duration limit) && { return std::move(task_timeout(limit)); }

  /// How often a task (or item) whose worker died is started again. By default 0: no task starts twice. One
  /// that threw or timed out is never started again. @throws std::invalid_argument if it is negative.
  pool_options& retries(int times) &;
  pool_options&& retries(int times) && { return std::move(retries(times)); }

  /// Calls @p report from the pool's executor as tasks are finished; not for each of them if they are many,
  /// and not once the pool is gone, which @p report may bring about. What it throws, the event loop throws.
  pool_options& on_progress(std::function<void(progress)> report) &;
  pool_options&& on_progress(std::function<void(progress)> report) && {
    return std::move(on_progress(std::move(report)));
  }

private:
  friend struct detail::pool_access;

  std::size_t size_ = 0; // 0: usable CPUs
  std::optional<start_method> method_;
  std::size_t max_tasks_ = 0, max_rss_ = 0, max_pending_ = 0; // 0: no limit
  duration task_timeout_{};                                   // zero: none
  int retries_ = 0;
  detail::pool_target initializer_;
  std::shared_ptr<detail::message> initializer_arguments_;
  std::function<void(progress)> report_;
};

} // namespace coproc
