#include "ipc/shared_ring.hpp"

#include "ipc/ring_lock.hpp"
#include "ipc/shared_blocks.hpp"
#include "os/error.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

namespace coproc::detail {

namespace {

using layout = ring_layout;

constexpr std::size_t first_block =
    (sizeof(layout) + shared_blocks::page - 1) / shared_blocks::page * shared_blocks::page;

constexpr std::uint64_t padded(std::uint64_t size) { return (size + 7) & ~std::uint64_t{7}; }

layout::position load(const layout::position& from) {
  return {read_once(from.offset), read_once(from.block), read_once(from.end)};
}

/// @returns whether @p at can be where a side of a ring in @p view goes on.
bool plausible(const layout::position& at, const os::growing_view& view) {
  return at.end <= view.size() && at.block >= first_block && at.block < at.end && at.block % 8 == 0 &&
         at.offset >= at.block + shared_blocks::head && at.offset % 8 == 0 &&
         at.offset <= at.end - shared_blocks::tail;
}

std::uint64_t& word_at(const os::growing_view& view, std::uint64_t offset) {
  return *reinterpret_cast<std::uint64_t*>(view.data() + offset);
}

} // namespace

shared_ring::shared_ring(std::ptrdiff_t maxsize)
    : memory_(os::growing_memory::create("coproc shared queue")) {
  for (auto& event : events_) event = os::make_event("make a shared queue");
  const std::size_t size = first_block + shared_blocks::usual_size;
  memory_.allocate(0, size);
  header_view_.cover(memory_, size);
  put_view_.cover(memory_, size);

  shared_ = new (header_view_.data()) layout{};
  shared_->magic = layout::expected_magic;
  shared_->maxsize = maxsize > 0 ? static_cast<std::uint64_t>(maxsize) : 0;
  shared_->putters.mutex.initialise();
  shared_->getters.mutex.initialise();
  const layout::position start{first_block + shared_blocks::head, first_block, size};
  shared_->putters.positions[0] = shared_->getters.positions[0] = start;
  shared_->leaving = shared_->oldest = first_block;
  shared_->backed_end = size;
  *reinterpret_cast<layout::block*>(header_view_.data() + first_block) = {shared_blocks::usual_size, 0};
  attach();
}

shared_ring::shared_ring(descriptors from) : memory_(os::growing_memory::adopt(std::move(from[0]))) {
  for (std::size_t i = 0; i != events_.size(); ++i) {
    if (!os::is_event(from[i + 1].get())) os::throw_errno(EINVAL, "not an event of a shared queue");
    events_[i] = std::move(from[i + 1]);
  }
  if (!header_view_.cover(memory_, first_block)) fail_corrupted();
  shared_ = reinterpret_cast<layout*>(header_view_.data());
  if (shared_->magic != layout::expected_magic) fail_corrupted();
  attach();
}

shared_ring::~shared_ring() = default;

void shared_ring::attach() {
  const std::uint64_t maxsize = shared_->maxsize;
  limit_ = maxsize == 0 ? layout::most_items
                        : static_cast<std::size_t>(std::min<std::uint64_t>(maxsize, layout::most_items));
}

std::array<int, shared_ring::descriptor_count> shared_ring::fds() const noexcept {
  std::array<int, descriptor_count> all{memory_.fd()};
  for (std::size_t i = 0; i != events_.size(); ++i) all[i + 1] = events_[i].get();
  return all;
}

ring_layout::side& shared_ring::side_of(ring_gate gate) const noexcept {
  return gate == ring_gate::items ? shared_->putters : shared_->getters;
}

ring_layout::gate& shared_ring::gate_of(ring_gate gate) const noexcept {
  return side_of(gate).gates[gate == ring_gate::done ? 1 : 0];
}

os::futex_word& shared_ring::word_of(ring_gate gate) const noexcept {
  return gate == ring_gate::items ? shared_->put : gate == ring_gate::room ? shared_->got : shared_->done;
}

/// Counts one more, on top of @p now, and wakes who waits for it. Under the lock of the gate's side.
void shared_ring::commit(ring_gate gate, std::uint32_t now) {
  layout::gate& waiting = gate_of(gate);
  if (waiting.loops == layout::armed) {
    os::signal_event(event(gate));
    waiting.loops = layout::signalled;
  }
  if (waiting.sleepers == 0) {
    word_of(gate).store(now + layout::one_item, std::memory_order_release);
  } else {
    os::futex_add_and_wake(word_of(gate), layout::one_item);
    waiting.sleepers = 0;
  }
}

ring_result shared_ring::try_put(std::span<const std::byte> item, os::deadline until) {
  layout::side& side = shared_->putters;
  side_lock lock(*shared_, side, until);
  if (!lock) return ring_result::busy;
  const std::uint32_t now = shared_->put.load(std::memory_order_relaxed);
  if (now & layout::closed_bit) return ring_result::closed;
  if (layout::difference(now, read_once(side.other_count)) >= limit_) {
    side.other_count = shared_->got.load(std::memory_order_acquire);
    if (layout::difference(now, read_once(side.other_count)) >= limit_) return ring_result::not_yet;
  }

  layout::position at = load(side.record(now));
  if (at.end > put_view_.size()) put_view_.cover(memory_, at.end);
  if (!plausible(at, put_view_)) fail_corrupted();
  const std::uint64_t size = sizeof(std::uint64_t) + padded(item.size());
  if (size > at.end - shared_blocks::tail - at.offset) {
    shared_blocks blocks(*shared_, memory_, put_view_);
    const std::uint64_t next = blocks.take(size, at.block);
    word_at(put_view_, at.offset) = layout::jump_tag;
    blocks.at(at.block).next = next;
    at = {next + shared_blocks::head, next, next + blocks.at(next).size};
    if (!plausible(at, put_view_) || size > at.end - shared_blocks::tail - at.offset) fail_corrupted();
  }
  word_at(put_view_, at.offset) = layout::item_tag | item.size();
  if (!item.empty())
    std::memcpy(put_view_.data() + at.offset + sizeof(std::uint64_t), item.data(), item.size());
  at.offset += size;
  side.record(now + layout::one_item) = at;
  commit(ring_gate::items, now);
  return ring_result::done;
}

ring_result shared_ring::try_get(item_sink& sink, os::deadline until) {
  layout::side& side = shared_->getters;
  side_lock lock(*shared_, side, until);
  if (!lock) return ring_result::busy;
  const std::uint32_t now = shared_->got.load(std::memory_order_relaxed);
  if (layout::difference(read_once(side.other_count), now) == 0) {
    const std::uint32_t put = shared_->put.load(std::memory_order_acquire);
    side.other_count = put;
    if (layout::difference(put, now) == 0)
      return put & layout::closed_bit ? ring_result::closed : ring_result::not_yet;
  }

  layout::position at = load(side.record(now));
  if (at.end > get_view_.size()) get_view_.cover(memory_, at.end);
  if (!plausible(at, get_view_)) fail_corrupted();
  std::uint64_t tag = read_once(word_at(get_view_, at.offset));
  const bool jumps = tag == layout::jump_tag;
  if (jumps) {
    const std::uint64_t next = read_once(word_at(get_view_, at.block + offsetof(layout::block, next)));
    if (next < first_block || next % shared_blocks::page != 0 || next > layout::item_tag ||
        !get_view_.cover(memory_, next + shared_blocks::page))
      fail_corrupted();
    const std::uint64_t size = read_once(word_at(get_view_, next + offsetof(layout::block, size)));
    if (size < shared_blocks::page || size > layout::item_tag) fail_corrupted();
    if (!get_view_.cover(memory_, next + size)) fail_corrupted();
    at = {next + shared_blocks::head, next, next + size};
    tag = read_once(word_at(get_view_, at.offset));
  }
  const std::uint64_t size = tag & ~layout::tag_mask;
  const std::uint64_t room = at.end - shared_blocks::tail - at.offset;
  if ((tag & layout::tag_mask) != layout::item_tag || room < sizeof tag || size > room - sizeof tag)
    fail_corrupted();
  sink.take({get_view_.data() + at.offset + sizeof tag, size});
  at.offset += sizeof tag + padded(size);
  side.record(now + layout::one_item) = at;
  commit(ring_gate::room, now);
  if (jumps) shared_->leaving.store(at.block, std::memory_order_release);
  return ring_result::done;
}

ring_result shared_ring::task_done(os::deadline until) {
  side_lock lock(*shared_, shared_->getters, until);
  if (!lock) return ring_result::busy;
  const std::uint32_t now = shared_->done.load(std::memory_order_relaxed);
  const std::uint32_t open = layout::difference(shared_->put.load(std::memory_order_acquire), now);
  if (open == 0) return ring_result::not_yet;
  if (open == 1)
    commit(ring_gate::done, now);
  else
    shared_->done.store(now + layout::one_item, std::memory_order_release);
  return ring_result::done;
}

void shared_ring::close() {
  side_lock putters(*shared_, shared_->putters, os::no_deadline);
  side_lock getters(*shared_, shared_->getters, os::no_deadline);
  if (shared_->put.load(std::memory_order_relaxed) & layout::closed_bit) return;
  for (ring_gate gate : {ring_gate::items, ring_gate::room}) {
    os::signal_event(event(gate));
    gate_of(gate).loops = layout::signalled;
  }
  // Who is about to sleep on this one does not, as it has changed.
  shared_->got.fetch_or(layout::closed_bit, std::memory_order_release);
  os::futex_set_and_wake(shared_->put, layout::closed_bit, shared_->got);
}

/// To be asked under the lock of the gate's side, if the answer is to stay true while it is closed.
bool shared_ring::is_open(ring_gate gate) const noexcept {
  const std::uint32_t done = shared_->done.load(std::memory_order_acquire); // before `put`, which it follows
  const std::uint32_t put = shared_->put.load(std::memory_order_acquire);
  switch (gate) {
  case ring_gate::items:
    return (put & layout::closed_bit) ||
           layout::difference(put, shared_->got.load(std::memory_order_acquire)) != 0;
  case ring_gate::room:
    return (put & layout::closed_bit) ||
           layout::difference(put, shared_->got.load(std::memory_order_acquire)) < limit_;
  default:
    return layout::difference(put, done) == 0;
  }
}

std::size_t shared_ring::size() const noexcept {
  std::uint32_t got = shared_->got.load(std::memory_order_acquire);
  for (;;) {
    const std::uint32_t put = shared_->put.load(std::memory_order_acquire);
    const std::uint32_t again = shared_->got.load(std::memory_order_acquire);
    if (got == again) return layout::difference(put, got);
    got = again;
  }
}

std::size_t shared_ring::unfinished() const noexcept {
  const std::uint32_t done = shared_->done.load(std::memory_order_acquire);
  return layout::difference(shared_->put.load(std::memory_order_acquire), done);
}

bool shared_ring::closed() const noexcept {
  return shared_->put.load(std::memory_order_acquire) & layout::closed_bit;
}

} // namespace coproc::detail
