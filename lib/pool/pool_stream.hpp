#pragma once

#include "loop/context_service.hpp"
#include "loop/suspension.hpp"
#include "pool/pool_state.hpp"

#include <coproc/detail/pool_core.hpp>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>

namespace coproc::detail {

struct map_access {
  static std::size_t chunk(const map_options& o) { return o.chunk_; }
  static std::size_t window(const map_options& o) { return o.window_; }
  static const std::function<void(progress)>& report(const map_options& o) { return o.report_; }
};

/// The items of a map on their way: read from their range and cut into chunks as workers come to need them,
/// and the results until they are asked for.
class pool_stream final : public std::enable_shared_from_this<pool_stream> {
public:
  pool_stream(pool_state& pool, pool_target target, std::unique_ptr<map_source> items, stream_kind kind,
              const map_options& options);

  /// Hands out more, as far as the window goes.
  void refill();
  /// The handle is gone.
  void abandon() noexcept;
  /// A map's: see run_map().
  static asio::awaitable<void> run(std::shared_ptr<pool_stream> self, cancellation_watch caller,
                                   std::function<void(stream_batch&)> take);
  static asio::awaitable<stream_batch> next(std::shared_ptr<pool_stream> self);
  /// For its on_progress function; nullopt: nobody reads it any more.
  std::optional<progress> progress_now() const;

private:
  class chunk;

  std::uint32_t chunk_size() const;
  bool read_chunk();
  void arrived(stream_batch batch);
  void chunk_ended();
  void chunk_dropped() noexcept;
  bool finished() const noexcept {
    return exhausted_ && chunks_.empty() && batches_.empty() && early_.empty();
  }
  void notify_progress();
  void wake();
  void close(pool_policy::verdict how) noexcept;
  void lose(std::exception_ptr why);
  void on_cancel();

  std::weak_ptr<pool_state> pool_;
  const pool_target target_;
  std::uint32_t number_ = 0;
  std::unique_ptr<map_source> items_;
  const stream_kind kind_;
  const std::size_t chunk_, slots_;
  std::size_t window_;
  progress_reporter reporter_;

  std::map<chunk*, std::weak_ptr<chunk>> chunks_; // in the pool
  std::deque<stream_batch> batches_;              // to be given out
  std::map<std::size_t, stream_batch> early_;     // ordered: those before them are missing
  std::size_t read_ = 0;                          // items taken from the range
  std::size_t given_ = 0;                         // items whose results were given out, and used up
  std::size_t lent_ = 0;                          // those of the batch that was given out last
  std::size_t next_ = 0;                          // ordered: the item that comes next
  progress progress_;
  bool exhausted_ = false, closed_ = false, cancelled_ = false, refilling_ = false;
  bool dropped_ = false;    // with the execution context
  bool gone_ = false;       // the handle
  std::exception_ptr lost_; // why results are missing, until somebody is told
  std::optional<suspension<bool>> waiter_;
  breather breathing_;
  std::optional<cancellation_watch> caller_; // of a map
};

} // namespace coproc::detail
