#pragma once

#include <coproc/progress.hpp>

#include <cstddef>
#include <functional>
#include <utility>

namespace coproc {

namespace detail {
struct map_access;
}

/// How pool::map(), starmap(), imap() and imap_unordered() go about it. Each option has an & and an &&
/// overload.
class map_options {
public:
  map_options() = default;

  /// How many items a worker is given at once. By default as many as take about half a millisecond, which is
  /// measured; so a long one travels alone. Large ones, and those with handles, travel in smaller chunks in
  /// any case. What waits in a chunk behind an item that takes longer than a millisecond is taken back.
  /// @throws std::invalid_argument for 0.
  map_options& chunk_size(std::size_t items) &;
  map_options&& chunk_size(std::size_t items) && { return std::move(chunk_size(items)); }

  /// imap() and imap_unordered(): how many items may be under way, from being read from the range until
  /// result_stream::next() has given their results. By default 32 for each slot of the pool, and at least a
  /// chunk for each. map() and starmap() take no notice of it.
  /// @throws std::invalid_argument for 0.
  map_options& window(std::size_t items) &;
  map_options&& window(std::size_t items) && { return std::move(window(items)); }

  /// Calls @p report from the pool's executor as items are finished, and at their end; not for each of them
  /// if they are many, and not once the map has thrown or the stream is gone. What it throws, the event loop
  /// throws.
  map_options& on_progress(std::function<void(progress)> report) &;
  map_options&& on_progress(std::function<void(progress)> report) && {
    return std::move(on_progress(std::move(report)));
  }

private:
  friend struct detail::map_access;

  std::size_t chunk_ = 0;  // 0: measured
  std::size_t window_ = 0; // 0: by the size of the pool
  std::function<void(progress)> report_;
};

} // namespace coproc
