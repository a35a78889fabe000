#include "pool/host_link.hpp"

#include "ipc/message.hpp"
#include "ipc/packet.hpp"
#include "os/error.hpp"
#include "os/futex.hpp"
#include "os/socket.hpp"

#include <coproc/wire.hpp>
#include <coproc/wire_error.hpp>

#include <cerrno>
#include <cstring>
#include <new>

namespace coproc::detail {

namespace {

os::packet_pair make_pair() { return os::make_packet_pair("pool: cannot create a worker's channel"); }

} // namespace

host_link::host_link(const asio::any_io_executor& executor) : host_link(executor, make_pair()) {}

host_link::host_link(const asio::any_io_executor& executor, os::packet_pair ends)
    : segment_(os::memory_segment::create("coproc-pool")), worker_end_(std::move(ends.second)),
      socket_(executor, std::move(ends.first), "channel of a pool's worker"), buffer_(max_inline) {
  segment_.allocate(sizeof(link_page));
  memory_ = segment_.map(sizeof(link_page), os::access::write, os::sharing::shared, os::population::on_use);
  segment_.seal_size();
}

void host_link::add_arguments(message& to, const worker_settings& settings) {
  wire::encode(to, settings);
  to.attach(worker_end_.release());
  to.attach(segment_.release().release());
}

// ---- tasks

/// @returns room for an entry at the end of the ring; null if there is none.
std::byte* host_link::task_room(std::uint64_t size) noexcept {
  const std::uint64_t read = page().tasks_read.load(std::memory_order_acquire);
  const std::uint64_t used = tasks_written_ - read;
  if (used > task_ring_size) return nullptr; // somebody has overwritten it
  const std::uint64_t at = tasks_written_ % task_ring_size;
  const std::uint64_t skip = at + size > task_ring_size ? task_ring_size - at : 0;
  if (task_ring_size - used < skip + size) return nullptr;
  if (skip != 0) {
    std::memcpy(page().tasks + at, &skip_to_front, sizeof skip_to_front);
    tasks_written_ += skip;
  }
  return page().tasks + tasks_written_ % task_ring_size;
}

void host_link::publish_task(std::uint64_t size) noexcept {
  tasks_written_ += size;
  page().tasks_written.store(tasks_written_, std::memory_order_release);
}

int host_link::hand(const handing& what, message& arguments, std::uint64_t& place) {
  const bool large = arguments.size() > largest_in_ring || arguments.descriptor_count() != 0;
  const std::size_t bytes = large ? 0 : arguments.size();
  const std::uint64_t size = aligned(sizeof(task_entry) + bytes);
  std::byte* room = task_room(size);
  if (!room) return ENOBUFS;
  if (large) {
    if (int error = send_message(socket_.fd(), static_cast<std::uint32_t>(link_packet::task), arguments,
                                 os::blocking::no))
      return error;
  }
  auto* entry = new (room) task_entry;
  entry->total = static_cast<std::uint32_t>(size);
  entry->flags = (large ? task_entry::in_packet : 0) | (what.layout.sized ? task_entry::sized : 0);
  entry->sequence = what.sequence;
  entry->target = what.target;
  entry->bytes = static_cast<std::uint32_t>(bytes);
  entry->first = what.first;
  entry->count = what.count;
  entry->item_size = what.layout.item_size;
  entry->revoked.store(0, std::memory_order_relaxed);
  if (bytes != 0) std::memcpy(room + sizeof(task_entry), arguments.bytes().data(), bytes);
  place = static_cast<std::uint64_t>(room - page().tasks);
  publish_task(size);
  return 0;
}

bool host_link::define(std::uint32_t target, std::uint64_t offset, const std::string& module_id,
                       const std::string& module_path, const std::string& function) {
  message text;
  target_definition definition;
  definition.index = target;
  definition.offset = offset;
  wire::encode(text, definition);
  wire::encode(text, module_id);
  wire::encode(text, module_path);
  wire::encode(text, function.substr(0, 4096));
  const std::uint64_t size = aligned(sizeof(task_entry) + text.size());
  std::byte* room = task_room(size);
  if (!room) return false;
  auto* entry = new (room) task_entry();
  entry->total = static_cast<std::uint32_t>(size);
  entry->flags = task_entry::definition;
  entry->bytes = static_cast<std::uint32_t>(text.size());
  std::memcpy(room + sizeof(task_entry), text.bytes().data(), text.size());
  publish_task(size);
  if (target >= known_.size()) known_.resize(target + 1);
  known_[target] = true;
  return true;
}

void host_link::revoke(std::uint64_t place) noexcept {
  reinterpret_cast<task_entry*>(page().tasks + place)->revoked.store(1, std::memory_order_release);
}

void host_link::nudge() noexcept {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (page().sleeps.load(std::memory_order_relaxed) != 0 && page().sleeps.exchange(0) != 0)
    os::futex_wake(page().sleeps);
}

// ---- what has been started

void host_link::freeze() noexcept { page().claimed.fetch_or(claim::frozen); }

void host_link::thaw() noexcept {
  page().claimed.store(claim::thawed(page().claimed.load()));
  nudge();
}

bool host_link::is_frozen() const noexcept { return (page().claimed.load() & claim::frozen) != 0; }

std::uint32_t host_link::started_items(std::uint64_t sequence) const noexcept {
  const std::uint64_t word = page().claimed.load(std::memory_order_acquire);
  return claim::sequence(word) == (sequence & claim::low_mask) ? claim::items(word) : 0;
}

std::optional<std::chrono::steady_clock::time_point> host_link::started_at() const noexcept {
  using clock = std::chrono::steady_clock;
  const std::int64_t noted = page().started_at.load(std::memory_order_relaxed);
  if (noted == item_finished) return std::nullopt;
  const std::chrono::nanoseconds since(noted);
  const clock::time_point at{std::chrono::duration_cast<clock::duration>(since)};
  return std::min(at, clock::now());
}

// ---- results

void host_link::pass_over(std::uint64_t size) noexcept {
  results_read_ += size;
  page().results_read.store(results_read_, std::memory_order_release);
}

std::optional<host_link::result> host_link::next_result(depth how, shortage then) {
  if (passed_ != 0) pass_over(std::exchange(passed_, 0));
  for (;;) {
    const std::uint64_t written = page().results_written.load(std::memory_order_acquire);
    const std::uint64_t there = written - results_read_;
    if (there > result_ring_size || there % 8 != 0)
      throw link_garbage(link_garbage::place::page, "the count of its results is wrong");
    const std::uint64_t at = results_read_ % result_ring_size;
    auto* entry = reinterpret_cast<result_entry*>(page().results + at);
    result out;
    if (there == 0) {
      if (how == depth::closed_runs) return std::nullopt;
      const std::uint64_t open = page().open.load(std::memory_order_acquire);
      if (page().results_written.load(std::memory_order_acquire) != written) continue; // closed in between
      if (open != results_read_ + 1) return std::nullopt;
      if (result_ring_size - at < sizeof *entry)
        throw link_garbage(link_garbage::place::page, "a run of results is not in the ring");
      const std::uint64_t progress = entry->progress.load(std::memory_order_acquire);
      const auto items = static_cast<std::uint32_t>(progress >> 32);
      const auto bytes = static_cast<std::uint32_t>(progress);
      if (items < early_items_ || bytes < early_bytes_ || bytes > result_ring_size - at - sizeof *entry)
        throw link_garbage(link_garbage::place::page, "a run of results is not in the ring");
      if (items == early_items_) return std::nullopt;
      out.sequence = entry->sequence;
      out.first = entry->first + early_items_;
      out.items = items - early_items_;
      out.bytes = {reinterpret_cast<const std::byte*>(entry) + sizeof *entry + early_bytes_,
                   bytes - early_bytes_};
      early_items_ = items;
      early_bytes_ = bytes;
      return out;
    }
    const std::uint32_t total = entry->total;
    if (total == skip_to_front) {
      if (result_ring_size - at > there)
        throw link_garbage(link_garbage::place::page, "the end of its results is wrong");
      pass_over(result_ring_size - at);
      continue;
    }
    const std::uint64_t progress = entry->progress.load(std::memory_order_acquire);
    const auto items = static_cast<std::uint32_t>(progress >> 32);
    const auto bytes = static_cast<std::uint32_t>(progress);
    const std::uint32_t flags = entry->flags;
    if (total < sizeof *entry || total % 8 != 0 || total > there || total > result_ring_size - at ||
        bytes > total - sizeof *entry || items < early_items_ || bytes < early_bytes_)
      throw link_garbage(link_garbage::place::page, "a result is not in the ring");
    out.sequence = entry->sequence;
    out.first = entry->first + early_items_;
    out.items = items - early_items_;
    out.failed = (flags & result_entry::failed) != 0;
    out.last = (flags & result_entry::last) != 0;
    out.worn = (flags & result_entry::worn) != 0;
    out.in_packet = (flags & result_entry::in_packet) != 0;
    out.busy = std::max<std::int64_t>(entry->busy, 0);
    out.bytes = {reinterpret_cast<const std::byte*>(entry) + sizeof *entry + early_bytes_,
                 bytes - early_bytes_};
    if (out.in_packet && !fetch_packet(then)) return std::nullopt;
    early_items_ = early_bytes_ = 0;
    passed_ = total;
    ++entries_read_;
    return out;
  }
}

/// @returns whether what the next result has in a packet is here, or lost.
bool host_link::fetch_packet(shortage then) {
  while (packets_.empty()) { // wake-ups that were sent before it may be in its way
    switch (receive_one(then)) {
    case arrival::nothing:
      throw link_garbage(link_garbage::place::page, "a result has no packet");
    case arrival::refused:
      if (then == shortage::leave) return false;
      ++to_discard_; // lest the next result takes it for its own
      packets_.push_back({{}, refusal_});
      break;
    default:
      break;
    }
  }
  return true;
}

message host_link::take_packet() {
  packet first = std::move(packets_.front());
  packets_.pop_front();
  if (first.error != 0) os::throw_errno(first.error, "pool: cannot receive a result");
  return std::move(first.body);
}

bool host_link::receive() {
  // A wake-up comes after what it is sent for.
  while (receive_one(shortage::leave) == arrival::result) {
  }
  return !closed_;
}

host_link::arrival host_link::refuse(int error) noexcept {
  short_ = true;
  refusal_ = error;
  return arrival::refused;
}

host_link::arrival host_link::receive_one(shortage then) {
  short_ = false;
  if (closed_) return arrival::nothing;
  // Where no more than wake-ups can come, there is no need to look.
  const bool may_be_result = page().packets.load(std::memory_order_relaxed) != received_;
  if (then == shortage::leave && may_be_result &&
      os::look_ahead(socket_.fd(), os::blocking::no) == os::next_packet::no_room)
    return refuse(EMFILE);
  incoming next;
  try {
    next = receive_message(socket_.fd(), buffer_.bytes(), os::blocking::no);
  } catch (const wire::error& error) {
    throw link_garbage(link_garbage::place::socket, error.what());
  }
  if (next.error == EAGAIN) return arrival::nothing;
  const bool is_result = next.kind == static_cast<std::uint32_t>(link_packet::result);
  if (next.error == EMFILE || next.error == ENFILE || next.error == ENOMEM || next.error == ENOBUFS) {
    if (!is_result) return refuse(next.error); // it is still there
  } else if (next.closed || next.error != 0) {
    closed_ = true;
    return arrival::nothing;
  }
  if (next.kind == static_cast<std::uint32_t>(link_packet::wake)) return arrival::wake_up;
  if (!is_result) throw link_garbage(link_garbage::place::socket, "a packet of an unknown kind");
  ++received_;
  if (to_discard_ != 0) {
    --to_discard_;
    return arrival::result;
  }
  packet arrived{next.take(), next.error};
  try {
    // They may wait for long, and in any number, until somebody decodes them.
    message_access::keep_mapped(arrived.body);
  } catch (const std::system_error& error) {
    arrived.error = error.code().value();
  }
  packets_.push_back(std::move(arrived));
  return arrival::result;
}

bool host_link::arm(std::uint64_t count) noexcept {
  if (passed_ != 0) pass_over(std::exchange(passed_, 0));
  page().wake_at.store(entries_read_ + count);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const std::uint64_t there = page().results_written.load(std::memory_order_acquire) - results_read_;
  // A worker that sleeps may have looked before the host said that it would.
  if (there == 0 || (count > 1 && page().sleeps.load() == 0 && page().wants_room.load() == 0)) return true;
  page().wake_at.store(0);
  return false;
}

void host_link::shut_down() noexcept {
  page().leave.store(1);
  nudge();
  if (socket_.is_open()) os::shut_down(socket_.fd()); // lest it waits for room in there
}

} // namespace coproc::detail
