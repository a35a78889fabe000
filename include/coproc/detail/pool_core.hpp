#pragma once

#include <coproc/detail/message.hpp>
#include <coproc/detail/pool_target.hpp>
#include <coproc/duration.hpp>
#include <coproc/map_options.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>

namespace coproc::detail {

// What the templates of the pool stand on: everything but the types.

class pool_state;
class pool_task;
class pool_stream;

/// Runs one task, and gives its encoded result.
asio::awaitable<message> run_task(std::shared_ptr<pool_state> pool, pool_target target, message arguments);
/// @throws pool_closed; queue_full if as many tasks wait as may.
void require_room(const pool_state& pool);
/// Begins one. @throws as require_room().
std::shared_ptr<pool_task> begin_task(pool_state& pool, pool_target target, message arguments);

/// Of async_result.
struct task_access {
  /// Waits until it is finished, for @p limit at most. @returns its encoded result, which belongs to the
  /// task; throws what it ended with, or timeout_expired.
  static asio::awaitable<message*> result(std::shared_ptr<pool_task> task, std::optional<duration> limit);
  static asio::awaitable<void> wait(std::shared_ptr<pool_task> task);
  static bool ready(const pool_task& task) noexcept;
  static bool successful(const pool_task& task) noexcept;
  static void cancel(pool_task& task);
  /// The result can't be given twice. @throws std::logic_error if it was given before.
  static void take_once(pool_task& task);
};

/// Where the items of a map come from.
class map_source {
public:
  map_source() = default;
  map_source(const map_source&) = delete;
  virtual ~map_source() = default;

  /// Encodes the next items, until it has @p most, or @p bytes. @returns how many; 0: there are no more.
  /// What it throws comes after those that it has encoded.
  virtual std::uint32_t fill(message& to, std::uint32_t most, std::size_t bytes) = 0;
  virtual item_layout layout() const = 0;
  /// @returns how many there are in all, if that is known.
  virtual std::optional<std::size_t> total() const = 0;
};

/// Results of items that follow each other, or the error of some.
struct stream_batch {
  std::size_t first = 0, count = 0;
  message bytes;
  std::exception_ptr error; ///< Of each of them.
};

enum class stream_kind {
  map,      ///< Unbounded, in any order; its cancellation kills what runs.
  ordered,  ///< Results in the order of their items.
  unordered ///< As they come.
};

std::shared_ptr<pool_stream> open_stream(pool_state& pool, pool_target target,
                                         std::unique_ptr<map_source> items, stream_kind kind,
                                         const map_options& options);
/// Runs a map to its end, and gives @p take the results as they come. Throws the error of the first that has
/// one, and what @p take throws. When it is cancelled, it is complete once no item runs.
asio::awaitable<void> run_map(std::shared_ptr<pool_state> pool, pool_target target,
                              std::unique_ptr<map_source> items, map_options options,
                              std::function<void(stream_batch&)> take);
/// @returns the next batch; an empty one (count 0) at the end. One call at a time.
asio::awaitable<stream_batch> next_batch(std::shared_ptr<pool_stream> stream);
/// Lets everything run that is ready.
asio::awaitable<void> let_loop_breathe();
/// Nobody wants the rest: who waits for it gets operation_aborted, and so does who asks later.
void close_stream(pool_stream& stream) noexcept;

} // namespace coproc::detail
