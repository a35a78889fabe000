#include "pool/pool_stream.hpp"

#include <coproc/pool_terminated.hpp>

#include <asio/post.hpp>

#include <algorithm>
#include <stdexcept>
#include <system_error>

namespace coproc::detail {

namespace {

/// A chunk is to take so long: short enough that all workers end at about the same time, and long enough that
/// its handling costs nothing beside it.
constexpr auto chunk_time = std::chrono::microseconds(500);
constexpr std::size_t chunk_bytes = 8 * 1024; // of arguments
constexpr std::size_t chunks_for_a_slot = 3;
constexpr std::size_t items_for_a_slot = 32; // of a window

} // namespace

/// Some items in a row.
class pool_stream::chunk final : public pool_owner {
public:
  chunk(std::shared_ptr<pool_stream> stream, std::size_t first, std::uint32_t number)
      : pool_owner(0, number, message()), stream_(std::move(stream)), first_(first) {}

  /// They are in its arguments.
  void has_items(std::uint32_t count) noexcept {
    holds(count);
    left_ = count;
  }

  bool told_to_end = false;

private:
  void delivered(std::uint32_t from, std::uint32_t count, std::span<const std::byte> bytes,
                 message* packet) override {
    stream_batch batch;
    batch.first = first_ + from;
    batch.count = count;
    try {
      if (packet)
        batch.bytes = std::move(*packet);
      else
        batch.bytes.append(bytes.data(), bytes.size());
      stream_->progress_.completed += count;
    } catch (...) {
      batch.error = std::current_exception();
      stream_->progress_.failed += count;
    }
    give(std::move(batch));
  }

  void failed(std::uint32_t from, std::uint32_t count, const std::exception_ptr& error) override {
    stream_batch batch;
    batch.first = first_ + from;
    batch.count = count;
    batch.error = error;
    stream_->progress_.failed += count;
    give(std::move(batch));
  }

  void dropped() noexcept override { stream_->chunk_dropped(); }

  void give(stream_batch batch) {
    left_ -= static_cast<std::uint32_t>(batch.count);
    auto stream = stream_;
    if (left_ == 0) stream->chunks_.erase(this);
    stream->arrived(std::move(batch));
    if (left_ == 0) stream->chunk_ended();
  }

  const std::shared_ptr<pool_stream> stream_;
  const std::size_t first_;
  std::uint32_t left_ = 0;
};

pool_stream::pool_stream(pool_state& pool, pool_target target, std::unique_ptr<map_source> items,
                         stream_kind kind, const map_options& options)
    : pool_(pool.weak_from_this()), target_(target), number_(pool.number_of(target)),
      items_(std::move(items)), kind_(kind),
      chunk_(std::min<std::size_t>(map_access::chunk(options), largest_unit)),
      slots_(pool.policy().set().size), window_(map_access::window(options)),
      reporter_(map_access::report(options)) {
  if (window_ == 0) window_ = std::max(items_for_a_slot, chunk_) * slots_;
  if (auto total = items_->total()) progress_.total = *total;
}

std::uint32_t pool_stream::chunk_size() const {
  std::size_t most = largest_unit;
  if (auto total = items_->total()) {
    // Towards the end the chunks get smaller, so that no worker is left with a large one.
    const std::size_t left = *total - std::min(read_, *total);
    most = std::max<std::size_t>(left / (2 * slots_), 1);
  }
  if (kind_ != stream_kind::map) most = std::min(most, std::max<std::size_t>(window_ / (2 * slots_), 1));
  if (chunk_ != 0) return static_cast<std::uint32_t>(chunk_);
  auto pool = pool_.lock();
  const auto each = pool ? pool->policy().expected(number_) : duration();
  if (each == duration::zero()) return 1;
  const auto by_time = static_cast<std::size_t>(std::max<duration::rep>(chunk_time / each, 1));
  return static_cast<std::uint32_t>(std::clamp<std::size_t>(by_time, 1, most));
}

void pool_stream::refill() {
  if (std::exchange(refilling_, true)) return;
  struct end_of_it {
    bool& refilling;
    ~end_of_it() { refilling = false; }
  } const at_end{refilling_};
  try {
    while (!exhausted_ && !closed_ && chunks_.size() < chunks_for_a_slot * slots_)
      if (!read_chunk()) break;
  } catch (...) {
    lose(std::current_exception()); // no memory: what was read is not in the pool, perhaps
  }
}

/// @returns false if there is no room for one, or no use.
bool pool_stream::read_chunk() {
  std::size_t size = chunk_size();
  if (kind_ != stream_kind::map) {
    const std::size_t under_way = read_ - given_;
    if (under_way >= window_) return false;
    // Not in small pieces, as long as there is something else to do or to give out.
    const std::size_t room = window_ - under_way;
    if (room < size && (!chunks_.empty() || !batches_.empty())) return false;
    size = std::min(size, room);
  }
  // Made before anything is read, which would be lost if there were no memory for it.
  auto added = std::make_shared<chunk>(shared_from_this(), read_, number_);
  chunks_.emplace(added.get(), added);
  auto place = chunks_.extract(added.get());
  std::uint32_t count = 0;
  std::exception_ptr error;
  const auto pool = pool_.lock();
  const bool lives = pool && !pool->terminated();
  try {
    if (!lives) throw pool_terminated();
    count = items_->fill(added->arguments, static_cast<std::uint32_t>(size), chunk_bytes);
    if (count == 0) exhausted_ = true;
  } catch (...) {
    error = std::current_exception();
    exhausted_ = true;
  }
  // The range is the user's code, and may have done anything: ended the pool, too. Its callers are still
  // at work then.
  if (lives && pool->terminated()) {
    asio::post(pool->executor(), [pool] {});
    if (count != 0) error = std::make_exception_ptr(pool_terminated());
    count = 0;
    exhausted_ = true;
  }
  if (closed_) return false;
  // What was read before an error is run: the message holds whole items only.
  if (count != 0) {
    added->has_items(count);
    added->is_operation = kind_ == stream_kind::map;
    added->divisible = chunk_ == 0;
    added->layout = items_->layout();
    read_ += count;
    chunks_.insert(std::move(place));
    pool->submit(added, count, pool_policy::unit_kind::task);
  }
  if (error) {
    stream_batch last;
    last.first = read_++;
    last.count = 1;
    last.error = error;
    arrived(std::move(last));
  }
  return true;
}

void pool_stream::arrived(stream_batch batch) {
  if (closed_) return;
  try {
    if (kind_ != stream_kind::ordered) {
      batches_.push_back(std::move(batch));
    } else {
      const std::size_t first = batch.first;
      early_.emplace(first, std::move(batch));
      for (auto at = early_.begin(); at != early_.end() && at->first == next_; at = early_.erase(at)) {
        batches_.push_back(std::move(at->second));
        next_ += batches_.back().count;
      }
    }
  } catch (...) {
    return lose(std::current_exception());
  }
  notify_progress();
  if (!batches_.empty()) wake();
}

/// Some results are missing, for want of memory: who asks for more is told so, rather than given the others
/// as if they were all.
void pool_stream::lose(std::exception_ptr why) {
  if (closed_) return;
  lost_ = std::move(why);
  close(pool_policy::verdict::dropped);
  if (waiter_) std::exchange(waiter_, std::nullopt)->complete(true);
}

void pool_stream::chunk_ended() {
  if (closed_) {
    if (cancelled_ && chunks_.empty() && waiter_) std::exchange(waiter_, std::nullopt)->fail(aborted());
    return;
  }
  refill();
  if (finished()) wake();
}

void pool_stream::chunk_dropped() noexcept {
  closed_ = exhausted_ = dropped_ = true;
  chunks_.clear();
  waiter_.reset();
}

/// A stream may outlive its execution context, and so holds no executor. The pool's is empty by then.
void pool_stream::notify_progress() {
  const auto pool = pool_.lock();
  if (pool && pool->executor()) reporter_.notice(*this, pool->executor());
}

void pool_stream::wake() {
  if (waiter_ && !closed_) std::exchange(waiter_, std::nullopt)->complete(true);
}

std::optional<progress> pool_stream::progress_now() const {
  if (closed_) return std::nullopt;
  progress now = progress_;
  now.total = std::max(now.total, read_);
  return now;
}

void pool_stream::close(pool_policy::verdict how) noexcept {
  if (std::exchange(closed_, true)) return;
  exhausted_ = true;
  batches_.clear();
  early_.clear();
  auto pool = pool_.lock();
  if (!pool) return;
  const auto untold = [](const auto& each) { return !each.first->told_to_end; };
  for (;;) {
    const auto at = std::find_if(chunks_.begin(), chunks_.end(), untold); // some go as others are told
    if (at == chunks_.end()) return;
    at->first->told_to_end = true;
    try {
      if (const auto alive = at->second.lock()) pool->cancel(*alive, how);
    } catch (...) {
      // No memory: it is run to its end, for nobody.
    }
  }
}

void pool_stream::abandon() noexcept {
  gone_ = true;
  close(pool_policy::verdict::dropped);
  if (waiter_) std::exchange(waiter_, std::nullopt)->fail(aborted());
}

/// Of a map: what runs is killed, and the cancellation is complete when it is gone.
void pool_stream::on_cancel() {
  if (cancelled_ || closed_ || (exhausted_ && chunks_.empty())) return; // all that it asked for is there
  cancelled_ = true;
  auto self = shared_from_this();
  close(pool_policy::verdict::cancelled);
  if (chunks_.empty() && waiter_) std::exchange(waiter_, std::nullopt)->fail(aborted());
}

} // namespace coproc::detail
