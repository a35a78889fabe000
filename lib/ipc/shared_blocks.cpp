#include "ipc/shared_blocks.hpp"

#include "os/error.hpp"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <system_error>
#include <utility>
#include <vector>

namespace coproc::detail {

void fail_corrupted() { os::throw_errno(EBADMSG, "shared queue: its shared memory was overwritten"); }

namespace {

std::uint64_t round_up(std::uint64_t size, std::uint64_t unit) { return (size + unit - 1) / unit * unit; }

} // namespace

ring_layout::block& shared_blocks::at(std::uint64_t offset) const {
  if (offset < sizeof(ring_layout) || offset % page != 0 ||
      offset > std::numeric_limits<std::uint64_t>::max() / 2 || !view_.cover(memory_, offset + page))
    fail_corrupted();
  return *reinterpret_cast<ring_layout::block*>(view_.data() + offset);
}

std::uint64_t shared_blocks::size_of(std::uint64_t block) const {
  const std::uint64_t size = read_once(at(block).size);
  const std::uint64_t end = read_once(layout_.backed_end);
  if (size < page || size % page != 0 || block > end || size > end - block) fail_corrupted();
  return size;
}

/// Of a chain, whose blocks are all in the view: with more it goes round in circles.
void shared_blocks::check_length(std::size_t blocks) const {
  if (blocks > view_.size() / page) fail_corrupted();
}

std::uint64_t shared_blocks::take(std::uint64_t size, std::uint64_t tail_block) {
  if (size > std::numeric_limits<std::uint64_t>::max() / 4) os::throw_errno(EFBIG, "put into a shared queue");
  std::uint64_t whole = round_up(size + head + tail, page);
  if (size <= large) whole = std::max<std::uint64_t>(whole, usual_size);

  if (read_once(layout_.stale)) rebuild(tail_block);
  collect(tail_block);
  std::uint64_t block = find(whole);
  if (!block && read_once(layout_.lost) >= whole) {
    rebuild(tail_block);
    block = find(whole);
  }
  if (!block) block = grow(whole);
  ring_layout::block& made = at(block);
  made.size = whole;
  made.next = 0;
  return block;
}

/// First fit: where much has been used once and little is now, always the same few blocks are.
std::uint64_t shared_blocks::find(std::uint64_t size) noexcept {
  const std::size_t count = std::min<std::size_t>(read_once(layout_.extent_count), ring_layout::most_extents);
  const std::uint64_t end = std::min<std::uint64_t>(read_once(layout_.backed_end), view_.size());
  for (std::size_t i = 0; i != count; ++i) {
    ring_layout::extent& extent = layout_.free[i];
    const std::uint64_t offset = read_once(extent.offset);
    const std::uint64_t room = read_once(extent.size);
    if (room < size) continue;
    if (offset < sizeof(ring_layout) || offset % page != 0 || offset > end || room > end - offset) return 0;
    extent = {offset + size, room - size};
    if (room == size) {
      std::copy(layout_.free + i + 1, layout_.free + count, layout_.free + i);
      layout_.extent_count = static_cast<std::uint32_t>(count - 1);
    }
    return offset;
  }
  return 0;
}

void shared_blocks::give_back(std::uint64_t offset, std::uint64_t size) {
  const std::size_t count = std::min<std::size_t>(read_once(layout_.extent_count), ring_layout::most_extents);
  ring_layout::extent* const first = layout_.free;
  ring_layout::extent* const last = first + count;
  ring_layout::extent* const next =
      std::find_if(first, last, [&](const ring_layout::extent& extent) { return extent.offset > offset; });
  const bool joins_next = next != last && offset + size == next->offset;
  const bool joins_previous = next != first && next[-1].offset + next[-1].size == offset;
  if (joins_previous && joins_next) {
    next[-1].size += size + next->size;
    std::copy(next + 1, last, next);
    layout_.extent_count = static_cast<std::uint32_t>(count - 1);
  } else if (joins_previous) {
    next[-1].size += size;
  } else if (joins_next) {
    *next = {offset, next->size + size};
  } else if (count == ring_layout::most_extents) {
    layout_.lost += size;
  } else {
    std::copy_backward(next, last, last + 1);
    *next = {offset, size};
    layout_.extent_count = static_cast<std::uint32_t>(count + 1);
  }
}

/// Takes back the blocks that the getters have left.
void shared_blocks::collect(std::uint64_t tail_block) {
  const std::uint64_t leaving = layout_.leaving.load(std::memory_order_acquire);
  std::uint64_t block = read_once(layout_.oldest);
  if (block == leaving) return;
  std::size_t passed = 0;
  while (block != leaving) {
    if (block == tail_block) fail_corrupted(); // the getters are nowhere in the chain
    const std::uint64_t next = read_once(at(block).next);
    check_length(++passed);
    give_back(block, size_of(block));
    layout_.oldest = block = next;
  }
  trim();
}

/// After a burst most of its memory goes back to the system.
void shared_blocks::trim() noexcept {
  const std::size_t count = std::min<std::size_t>(read_once(layout_.extent_count), ring_layout::most_extents);
  if (count == 0) return;
  ring_layout::extent& last = layout_.free[count - 1];
  const std::uint64_t end = layout_.backed_end;
  if (last.offset + last.size != end || last.size <= kept) return;
  const std::uint64_t size = last.size - kept;
  last.size = kept;
  layout_.backed_end = end - size;
  memory_.discard(end - size, size);
}

/// Finds out what is free: all that is not in the chain.
void shared_blocks::rebuild(std::uint64_t tail_block) {
  const std::uint64_t end = read_once(layout_.backed_end);
  std::vector<std::pair<std::uint64_t, std::uint64_t>> used;
  const std::uint64_t start = layout_.leaving.load(std::memory_order_acquire);
  for (std::uint64_t block = start;;) {
    used.emplace_back(block, size_of(block));
    if (block == tail_block) break;
    check_length(used.size());
    block = read_once(at(block).next);
  }
  std::sort(used.begin(), used.end());

  layout_.stale = 1; // until all of this is done
  layout_.extent_count = 0;
  layout_.lost = 0;
  layout_.oldest = start;
  std::uint64_t at = round_up(sizeof(ring_layout), page);
  for (const auto& [offset, size] : used) {
    if (offset < at) fail_corrupted();
    if (offset > at) give_back(at, offset - at);
    at = offset + size;
  }
  if (at < end) give_back(at, end - at);
  layout_.stale = 0;
}

std::uint64_t shared_blocks::grow(std::uint64_t size) {
  const std::size_t count = std::min<std::size_t>(read_once(layout_.extent_count), ring_layout::most_extents);
  const std::uint64_t end = read_once(layout_.backed_end);
  std::uint64_t start = end;
  if (count != 0) { // what is free at the end becomes part of it
    const std::uint64_t offset = read_once(layout_.free[count - 1].offset);
    const std::uint64_t room = read_once(layout_.free[count - 1].size);
    if (offset < end && room == end - offset && room < size) start = offset;
  }
  const std::uint64_t missing = size - (end - start);
  // More than is needed, so that growing takes few system calls.
  std::uint64_t more =
      std::max(missing, std::clamp<std::uint64_t>(round_up(end / 4, page), usual_size, kept / 4));
  try {
    memory_.allocate(end, more);
  } catch (const std::system_error&) {
    if (more == missing) throw;
    more = missing;
    memory_.allocate(end, more);
  }
  if (!view_.cover(memory_, end + more)) fail_corrupted();
  if (start != end) layout_.extent_count = static_cast<std::uint32_t>(count - 1);
  layout_.backed_end = end + more;
  if (more != missing) give_back(start + size, more - missing);
  return start;
}

} // namespace coproc::detail
