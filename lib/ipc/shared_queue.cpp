#include <coproc/shared_queue.hpp>

#include "ipc/shared_line.hpp"
#include "ipc/shared_ring.hpp"

#include <asio/this_coro.hpp>

#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>
#include <utility>

namespace coproc::detail {

void close_all(const shared_queue_core::descriptors& descriptors) noexcept {
  for (int descriptor : descriptors) os::unique_fd closed(descriptor);
}

namespace {

os::deadline deadline_of(std::optional<duration> limit) {
  return limit ? after(std::chrono::steady_clock::now(), *limit) : os::no_deadline;
}

constexpr const char* busy = "shared_queue: others had it locked for as long as the limit";

void check_put(ring_result result) {
  if (result == ring_result::closed) throw queue_closed("shared_queue: put into a queue that was closed");
  if (result == ring_result::busy) throw queue_full(busy);
  if (result != ring_result::done) throw queue_full("shared_queue: there was no room");
}

void check_got(ring_result result) {
  if (result == ring_result::closed)
    throw queue_closed("shared_queue: get from a queue that was closed and is empty");
  if (result == ring_result::busy) throw queue_empty(busy);
  if (result != ring_result::done) throw queue_empty("shared_queue: there was no item");
}

} // namespace

/// A handle: the queue, and who waits by it. It belongs to no event loop until an operation is awaited.
class shared_queue_state final : public context_object {
public:
  explicit shared_queue_state(std::shared_ptr<shared_ring> of)
      : ring(std::move(of)), getters(std::make_shared<shared_line>(ring, ring_gate::items)),
        putters(std::make_shared<shared_line>(ring, ring_gate::room)),
        joiners(std::make_shared<shared_line>(ring, ring_gate::done)) {}

  void abort_waiters() noexcept {
    for (const auto& line : {getters, putters, joiners}) line->abort_all();
  }

  /// @throws std::logic_error if it belongs to another loop than that of @p executor, which it belongs to
  /// from the first time on.
  void check_use(const asio::any_io_executor& executor) {
    if (!is_bound_to(executor)) bind(executor, "shared_queue");
  }

  const std::shared_ptr<shared_ring> ring;
  const std::shared_ptr<shared_line> getters, putters, joiners;
  message scratch; // for items that have to be encoded; empty

private:
  void shutdown() noexcept override {
    // What drops the last coroutine may drop this as well; the list has copies.
    for (const auto& line : {getters, putters, joiners}) line->end();
  }
};

namespace {

/// The bytes of an item. They may lie in the scratch of the handle, which has none meanwhile: to encode an
/// item may be to put others by the same handle.
class item_bytes {
public:
  item_bytes(shared_queue_state& handle, item_source& from)
      : handle_(handle), scratch_(std::move(handle.scratch)), bytes_(from.bytes(scratch_)) {}
  item_bytes(const item_bytes&) = delete;
  ~item_bytes() {
    scratch_.clear(); // a large item's memory goes, and a small buffer stays
    handle_.scratch = std::move(scratch_);
  }

  std::span<const std::byte> operator*() const noexcept { return bytes_; }

private:
  shared_queue_state& handle_;
  message scratch_;
  std::span<const std::byte> bytes_;
};

} // namespace

shared_queue_core::shared_queue_core(std::ptrdiff_t maxsize)
    : state_(std::make_shared<shared_queue_state>(std::make_shared<shared_ring>(maxsize))) {}

shared_queue_core::shared_queue_core(const shared_queue_core& other)
    : state_(other.state_ ? std::make_shared<shared_queue_state>(other.state_->ring) : nullptr) {}

shared_queue_core& shared_queue_core::operator=(const shared_queue_core& other) {
  if (this != &other) *this = shared_queue_core(other);
  return *this;
}

shared_queue_core& shared_queue_core::operator=(shared_queue_core&& other) noexcept {
  if (this != &other) {
    if (state_) state_->abort_waiters();
    state_ = std::move(other.state_);
  }
  return *this;
}

shared_queue_core::~shared_queue_core() {
  if (state_) state_->abort_waiters();
}

const shared_queue_core::state& shared_queue_core::require() const {
  if (!state_) throw std::logic_error("shared_queue: it was moved from");
  return state_;
}

shared_queue_core::descriptors shared_queue_core::all_descriptors() const { return require()->ring->fds(); }

std::shared_ptr<const void> shared_queue_core::owner() const { return require()->ring; }

shared_queue_core shared_queue_core::adopt(const descriptors& from) {
  shared_ring::descriptors owned;
  for (std::size_t i = 0; i != from.size(); ++i) owned[i] = os::unique_fd(from[i]);
  return shared_queue_core(
      std::make_shared<shared_queue_state>(std::make_shared<shared_ring>(std::move(owned))));
}

asio::awaitable<void> shared_queue_core::put(state queue, item_source& from, std::optional<duration> limit) {
  asio::any_io_executor executor = co_await asio::this_coro::executor;
  queue->check_use(executor);
  std::optional<item_bytes> bytes; // from the first attempt to the last
  const std::function<ring_result()> attempt = [&queue, &from, &bytes] {
    if (!bytes) bytes.emplace(*queue, from);
    return queue->ring->try_put(**bytes, shared_ring::dont_sleep);
  };
  check_put(co_await shared_line::pass(queue->putters, std::move(executor), attempt, limit));
}

asio::awaitable<void> shared_queue_core::get(state queue, item_sink& to, std::optional<duration> limit) {
  asio::any_io_executor executor = co_await asio::this_coro::executor;
  queue->check_use(executor);
  const std::function<ring_result()> attempt = [&queue, &to] {
    return queue->ring->try_get(to, shared_ring::dont_sleep);
  };
  check_got(co_await shared_line::pass(queue->getters, std::move(executor), attempt, limit));
}

asio::awaitable<void> shared_queue_core::join(state queue) {
  asio::any_io_executor executor = co_await asio::this_coro::executor;
  queue->check_use(executor);
  const std::function<ring_result()> attempt = [&queue] {
    return queue->ring->unfinished() == 0 ? ring_result::done : ring_result::not_yet;
  };
  co_await shared_line::pass(queue->joiners, std::move(executor), attempt, std::nullopt);
}

void shared_queue_core::put_nowait(item_source& from) {
  const auto& queue = require();
  check_put(queue->ring->try_put(*item_bytes(*queue, from), os::no_deadline));
}

void shared_queue_core::get_nowait(item_sink& to) {
  check_got(require()->ring->try_get(to, os::no_deadline));
}

void shared_queue_core::blocking_put(item_source& from, std::optional<duration> limit) {
  const auto& queue = require();
  check_put(queue->ring->put(*item_bytes(*queue, from), deadline_of(limit)));
}

void shared_queue_core::blocking_get(item_sink& to, std::optional<duration> limit) {
  check_got(require()->ring->get(to, deadline_of(limit)));
}

void shared_queue_core::blocking_join() { require()->ring->wait_until_done(os::no_deadline); }

std::size_t shared_queue_core::qsize() const { return require()->ring->size(); }
bool shared_queue_core::full() const { return require()->ring->full(); }

void shared_queue_core::task_done() {
  if (require()->ring->task_done(os::no_deadline) != ring_result::done)
    throw std::logic_error("shared_queue: task_done() was called for more items than were put");
}

void shared_queue_core::close() { require()->ring->close(); }

} // namespace coproc::detail
