#include "pool/worker_link.hpp"

#include "ipc/back_off.hpp"
#include "ipc/message.hpp"
#include "ipc/packet.hpp"
#include "os/futex.hpp"
#include "os/self.hpp"
#include "os/socket.hpp"
#include "worker/function_child.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <new>
#include <thread>
#include <utility>

namespace coproc::detail {

namespace {

std::int64_t now_ns() {
  using clock = std::chrono::steady_clock;
  return std::chrono::duration_cast<std::chrono::nanoseconds>(clock::now().time_since_epoch()).count();
}

/// A run of results is closed, and so given to the host, once it is that old or that large.
constexpr std::int64_t oldest_run = 1'000'000;
constexpr std::size_t largest_run = 4 * 1024;

} // namespace

worker_link::worker_link(os::unique_fd socket, os::mapping memory, const worker_settings& settings)
    : socket_(std::move(socket)), memory_(std::move(memory)),
      page_(*std::launder(reinterpret_cast<link_page*>(memory_.data()))), settings_(settings),
      buffer_(max_inline) {}

// ---- waiting

/// Sleeps until @p ready(), which the host makes true. When the host is killed, so is the worker
/// (os::lifeline): it need not look after it.
template <class Ready>
void worker_link::wait_until(Ready ready) {
  while (!ready()) {
    page_.sleeps.store(1);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (ready()) {
      page_.sleeps.store(0);
      return;
    }
    if (page_.leave.load() != 0) throw over();
    wake_host();
    // A task may have closed all descriptors, and with the channel went what ties it to the host's life.
    if (!os::is_packet_socket(socket_.get())) throw over();
    os::futex_wait(page_.sleeps, 1, os::no_deadline);
    page_.sleeps.store(0);
  }
}

/// The host sleeps, and there is something for it to do.
void worker_link::wake_host() {
  std::uint64_t at = page_.wake_at.load();
  if (at == 0 || !page_.wake_at.compare_exchange_strong(at, 0)) return;
  message nothing;
  if (send_message(socket_.get(), static_cast<std::uint32_t>(link_packet::wake), nothing,
                   os::blocking::yes) != 0)
    throw over();
}

/// After something was published: the host may wait for that much.
void worker_link::wake_host_if_due() {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const std::uint64_t at = page_.wake_at.load();
  if (at != 0 && published_ >= at) wake_host();
}

// ---- tasks

task_entry& worker_link::next_task() {
  for (;;) {
    wait_until([&] { return page_.tasks_written.load(std::memory_order_acquire) != read_; });
    std::byte* at = page_.tasks + read_ % task_ring_size;
    auto* entry = std::launder(reinterpret_cast<task_entry*>(at));
    if (entry->total != skip_to_front) return *entry;
    read_ += task_ring_size - read_ % task_ring_size;
  }
}

void worker_link::passed(const task_entry& entry) {
  read_ += entry.total;
  page_.tasks_read.store(read_, std::memory_order_release);
}

std::span<const std::byte> worker_link::inline_bytes(const task_entry& entry) {
  return {reinterpret_cast<const std::byte*>(&entry) + sizeof entry, entry.bytes};
}

message worker_link::take_packet() {
  incoming next = receive_message(socket_.get(), buffer_.bytes(), os::blocking::yes);
  if (next.closed || next.error != 0 || next.kind != static_cast<std::uint32_t>(link_packet::task))
    throw over();
  return next.take();
}

bool worker_link::claim_item(const task_entry& entry, std::uint32_t index) {
  for (;;) {
    if (index == 0 || settings_.stamp_items) stamp();
    std::uint64_t seen = page_.claimed.load(std::memory_order_acquire);
    if (seen & claim::frozen) {
      wait_until([&] { return !(page_.claimed.load(std::memory_order_acquire) & claim::frozen); });
      continue;
    }
    if (entry.revoked.load(std::memory_order_acquire) != 0) return false;
    if (page_.claimed.compare_exchange_strong(seen, claim::next(seen, entry.sequence, index + 1),
                                              std::memory_order_acq_rel)) {
      if (index == 0) {
        run_started_ = started_;
        clock_every_ = 1;
        since_clock_ = 0;
      }
      return true;
    }
  }
}

void worker_link::stamp() {
  started_ = now_ns();
  page_.started_at.store(started_, std::memory_order_relaxed);
}

// ---- results

void worker_link::publish(const task_entry& entry, std::uint32_t item, message& result, ending how,
                          bool last) {
  // Waiting until the host has room for the result is no part of the time that the item takes.
  if (settings_.stamp_items) page_.started_at.store(item_finished, std::memory_order_relaxed);
  const std::size_t size = result.size();
  const bool large = size > largest_in_ring || result.descriptor_count() != 0;
  if (how == ending::succeeded && !large && entry.count != 1) {
    add_to_run(entry, item, result);
    if (last || run_is_old()) close_run(last);
    return;
  }
  close_run(false);
  std::uint32_t flags =
      (how == ending::succeeded ? 0 : result_entry::failed) | (last ? result_entry::last : 0);
  if (large) {
    flags |= result_entry::in_packet;
    // Before the entry that announces it: the host finds it when it looks.
    send(result);
  }
  result_entry& out = reserve(entry, item, large ? 0 : size);
  if (!large && size != 0) std::memcpy(payload(out), result.bytes().data(), size);
  out.progress.store((std::uint64_t(1) << 32) | (large ? 0 : size), std::memory_order_relaxed);
  finish(out, flags, large ? 0 : size, 1);
}

void worker_link::send(message& result) {
  page_.packets.store(packets_ + 1); // first, so that the host looks out for it
  back_off pauses;
  int error = 0;
  for (;;) {
    error = send_message(socket_.get(), static_cast<std::uint32_t>(link_packet::result), result,
                         os::blocking::yes);
    if (error != ETOOMANYREFS) break;
    std::this_thread::sleep_for(pauses.next()); // for others to receive theirs
  }
  if (error == 0) {
    ++packets_;
    return;
  }
  page_.packets.store(packets_);
  if (!outcome_sent(error)) throw over();
}

void worker_link::publish_end(const task_entry& entry, std::uint32_t item) {
  close_run(false);
  result_entry& out = reserve(entry, item, 0);
  out.progress.store(0, std::memory_order_relaxed);
  finish(out, result_entry::last, 0, 1);
}

std::byte* worker_link::payload(result_entry& entry) {
  return reinterpret_cast<std::byte*>(&entry) + sizeof entry;
}

/// Room for an entry at the end of the ring.
result_entry& worker_link::reserve(const task_entry& entry, std::uint32_t item, std::size_t size) {
  const std::uint64_t needed = aligned(sizeof(result_entry) + size);
  for (;;) {
    const std::uint64_t at = written_ % result_ring_size;
    const std::uint64_t whole = at + needed > result_ring_size ? result_ring_size - at + needed : needed;
    if (page_.results_read.load(std::memory_order_acquire) + result_ring_size - written_ < whole) {
      page_.wants_room.store(1);
      wait_until([&] {
        return page_.results_read.load(std::memory_order_acquire) + result_ring_size - written_ >= whole;
      });
      page_.wants_room.store(0);
    }
    if (whole == needed) break;
    std::memcpy(page_.results + at, &skip_to_front, sizeof skip_to_front);
    written_ += result_ring_size - at;
    page_.results_written.store(written_, std::memory_order_release);
  }
  auto* made = new (page_.results + written_ % result_ring_size) result_entry;
  made->total = 0;
  made->flags = 0;
  made->sequence = entry.sequence;
  made->first = item;
  made->unused = 0;
  made->busy = 0;
  return *made;
}

void worker_link::finish(result_entry& out, std::uint32_t flags, std::size_t size, std::uint32_t items) {
  flush_output(); // before a result is there, and not lost when the worker is killed then
  const std::int64_t now = now_ns();
  out.busy = (now - run_started_) / std::max<std::uint32_t>(items, 1);
  run_started_ = now;
  if (settings_.max_rss != 0 && (flags & result_entry::last) && os::resident_bytes() > settings_.max_rss)
    flags |= result_entry::worn;
  out.flags = flags;
  out.total = static_cast<std::uint32_t>(aligned(sizeof out + size));
  written_ += out.total;
  ++published_;
  page_.results_written.store(written_, std::memory_order_release);
  wake_host_if_due();
}

/// Results of a chunk are counted up in an entry that is there already, so that each exists as soon as its
/// item is finished, whatever becomes of the worker.
void worker_link::add_to_run(const task_entry& entry, std::uint32_t item, const message& result) {
  const std::size_t size = result.size();
  if (run_ && run_bytes_ + size > run_room_) close_run(false);
  if (!run_) {
    run_room_ = std::max(size, largest_run);
    run_ = &reserve(entry, item, run_room_);
    run_->progress.store(0, std::memory_order_relaxed);
    run_bytes_ = 0;
    run_items_ = 0;
    page_.open.store(written_ + 1, std::memory_order_release);
  }
  if (size != 0) std::memcpy(payload(*run_) + run_bytes_, result.bytes().data(), size);
  run_bytes_ += size;
  ++run_items_;
  run_->progress.store((std::uint64_t(run_items_) << 32) | run_bytes_, std::memory_order_release);
}

bool worker_link::run_is_old() {
  if (++since_clock_ < clock_every_) return false;
  const std::int64_t now = now_ns();
  // The clock costs more than a small item: the shorter they are, the less often it is looked at.
  const std::int64_t each = (now - run_started_) / std::max<std::uint32_t>(run_items_, 1);
  clock_every_ = each < 1'000    ? std::min(clock_every_ * 2, 64u)
                 : each < 20'000 ? std::min(clock_every_, 8u)
                                 : 1;
  since_clock_ = 0;
  return now - run_started_ >= oldest_run;
}

void worker_link::close_run(bool last) {
  if (!run_) return;
  result_entry& out = *std::exchange(run_, nullptr);
  finish(out, last ? result_entry::last : 0, run_bytes_, run_items_);
  page_.open.store(0, std::memory_order_release);
}

} // namespace coproc::detail
