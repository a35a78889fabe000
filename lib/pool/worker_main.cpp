#include "pool/worker_main.hpp"

#include "ipc/message.hpp"
#include "ipc/packet.hpp"
#include "os/code_address.hpp"
#include "os/memory_segment.hpp"
#include "os/self.hpp"
#include "pool/link_layout.hpp"
#include "worker/function_child.hpp"

#include <coproc/bootstrap_error.hpp>
#include <coproc/detail/pool_target.hpp>
#include <coproc/remote_error.hpp>
#include <coproc/wire.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <deque>
#include <exception>
#include <iostream>
#include <new>
#include <string>
#include <vector>

#include <cxxabi.h>

namespace coproc::detail {

namespace {

using clock = std::chrono::steady_clock;

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(clock::now().time_since_epoch()).count();
}

/// A run of results is closed, and so given to the host, once it is that old or that large.
constexpr std::int64_t oldest_run = 1'000'000;
constexpr std::size_t largest_run = 4 * 1024;

/// The host has gone, or has let the worker go.
struct over {};

class worker_loop {
public:
  worker_loop(os::unique_fd socket, os::mapping memory, const worker_settings& settings)
      : socket_(std::move(socket)), memory_(std::move(memory)),
        page_(*std::launder(reinterpret_cast<link_page*>(memory_.data()))), settings_(settings) {}

  void run() {
    try {
      for (;;) handle(next_task());
    } catch (const over&) {
    }
  }

private:
  struct target {
    pool_entry entry = nullptr;
    std::string missing; ///< Why it has none.
  };

  // ---- waiting

  /// Sleeps until the host sends a packet, unless @p ready() says that there is no need.
  template <class Ready>
  void wait_until(Ready ready) {
    while (!ready()) {
      page_.sleeps.store(1);
      std::atomic_thread_fence(std::memory_order_seq_cst);
      if (ready()) {
        page_.sleeps.store(0);
        return;
      }
      wake_host();
      receive();
      page_.sleeps.store(0);
    }
  }

  void receive() {
    incoming next = receive_message(socket_.get(), os::blocking::yes);
    if (next.closed || next.error != 0) throw over();
    if (static_cast<link_packet>(next.kind) == link_packet::task) packets_.push_back(std::move(next.body));
  }

  /// The host sleeps, and there is something for it to do.
  void wake_host() {
    std::uint64_t at = page_.wake_at.load();
    if (at == 0 || !page_.wake_at.compare_exchange_strong(at, 0)) return;
    message nothing;
    if (send_message(socket_.get(), static_cast<std::uint32_t>(link_packet::wake), nothing,
                     os::blocking::yes) != 0)
      throw over();
  }

  /// After something was published: the host may wait for that much.
  void wake_host_if_due() {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    const std::uint64_t at = page_.wake_at.load();
    if (at != 0 && published_ >= at) wake_host();
  }

  // ---- tasks

  task_entry* next_task() {
    for (;;) {
      wait_until([&] { return page_.tasks_written.load(std::memory_order_acquire) != read_; });
      std::byte* at = page_.tasks + read_ % task_ring_size;
      auto* entry = std::launder(reinterpret_cast<task_entry*>(at));
      if (entry->total != skip_to_front) return entry;
      read_ += task_ring_size - read_ % task_ring_size;
    }
  }

  void handle(task_entry* entry) {
    if (entry->flags & task_entry::definition)
      define(*entry);
    else
      run_unit(*entry);
    read_ += entry->total;
    page_.tasks_read.store(read_, std::memory_order_release);
  }

  static std::span<const std::byte> inline_bytes(const task_entry& entry) {
    return {reinterpret_cast<const std::byte*>(&entry) + sizeof entry, entry.bytes};
  }

  void define(const task_entry& entry) {
    std::span<const std::byte> bytes = inline_bytes(entry);
    const auto definition = wire::decode<target_definition>(bytes, nullptr);
    const auto module_id = wire::decode<std::string>(bytes, nullptr);
    const auto module_path = wire::decode<std::string>(bytes, nullptr);
    const auto function = wire::decode<std::string>(bytes, nullptr);
    if (definition.index >= targets_.size()) targets_.resize(definition.index + 1);
    target& added = targets_[definition.index];
    if (const void* code = os::find_code(module_id, definition.offset))
      added.entry = reinterpret_cast<pool_entry>(reinterpret_cast<std::uintptr_t>(code));
    else
      added.missing = "'" + function + "' can't be run: its code is in '" + module_path +
                      "', which the worker has not loaded, or has in another build";
  }

  /// @returns whether the next item may start. From then on it counts as started.
  bool claim_item(const task_entry& entry, std::uint32_t index) {
    for (;;) {
      if (index == 0 || settings_.stamp_items) stamp();
      std::uint64_t seen = page_.claimed.load(std::memory_order_acquire);
      if (seen & claim::frozen) {
        wait_until([&] { return !(page_.claimed.load(std::memory_order_acquire) & claim::frozen); });
        continue;
      }
      if (entry.revoked.load(std::memory_order_acquire) != 0) return false;
      if (page_.claimed.compare_exchange_strong(seen, claim::next(seen, entry.sequence, index + 1),
                                                std::memory_order_acq_rel))
        return true;
    }
  }

  void stamp() {
    started_ = now_ns();
    page_.started_at.store(started_, std::memory_order_relaxed);
  }

  void run_unit(task_entry& entry) {
    message packet;
    std::span<const std::byte> bytes = inline_bytes(entry);
    if (entry.flags & task_entry::in_packet) {
      while (packets_.empty()) receive();
      packet = std::move(packets_.front());
      packets_.pop_front();
      bytes = packet.bytes();
    }
    const target& code = targets_.at(entry.target);
    std::exception_ptr broken; // the arguments make no sense from here on
    clock_every_ = 1;
    since_clock_ = 0;
    bool passed = entry.first == 0;
    for (std::uint32_t i = 0; i != entry.count; ++i) {
      if (!claim_item(entry, i)) {
        if (i != 0) publish_end(entry, entry.first + i);
        return;
      }
      if (i == 0) run_started_ = started_;
      result_.clear();
      bool succeeded = false;
      try {
        if (broken) std::rethrow_exception(broken);
        if (!code.entry) throw bootstrap_error(code.missing);
        if (!std::exchange(passed, true))
          for (std::uint32_t skip = 0; skip != entry.first; ++skip) code.entry(bytes, packet, nullptr);
        const std::byte* before = bytes.data();
        const std::size_t left = bytes.size();
        try {
          code.entry(bytes, packet, &result_);
        } catch (abi::__forced_unwind&) {
          throw;
        } catch (const wire::error&) {
          if (bytes.data() == before && bytes.size() == left && left != 0) broken = std::current_exception();
          throw;
        }
        succeeded = true;
      } catch (abi::__forced_unwind&) {
        throw; // pthread_exit
      } catch (...) {
        describe();
      }
      publish(entry, entry.first + i, succeeded, i + 1 == entry.count);
    }
  }

  /// The result is what is known of the exception that is being handled.
  void describe() {
    std::vector<remote_error::exception> chain;
    describe_current(chain);
    result_.clear();
    wire::encode(result_, chain);
  }

  // ---- results

  void publish(const task_entry& entry, std::uint32_t item, bool succeeded, bool last) {
    if (last) {
      // What the task printed is there before its result is, and is not lost when the worker is killed.
      std::cout.flush();
      std::fflush(stdout);
    }
    const std::size_t size = result_.size();
    const bool large = size > largest_in_ring || result_.descriptor_count() != 0;
    if (succeeded && !large && entry.count != 1) {
      add_to_run(entry, item, size);
      if (last || run_is_old()) close_run(last);
      return;
    }
    close_run(false);
    std::uint32_t flags = (succeeded ? 0 : result_entry::failed) | (last ? result_entry::last : 0);
    if (large) {
      flags |= result_entry::in_packet;
      // Before the entry that announces it: the host finds it when it looks.
      if (send_message(socket_.get(), static_cast<std::uint32_t>(link_packet::result), result_,
                       os::blocking::yes) != 0)
        throw over();
    }
    result_entry& out = reserve(entry, item, large ? 0 : size);
    if (!large && size != 0) std::memcpy(payload(out), result_.bytes().data(), size);
    out.progress.store((std::uint64_t(1) << 32) | (large ? 0 : size), std::memory_order_relaxed);
    finish(out, flags, large ? 0 : size, 1);
  }

  /// No more items of the unit are started.
  void publish_end(const task_entry& entry, std::uint32_t item) {
    close_run(false);
    result_entry& out = reserve(entry, item, 0);
    out.progress.store(0, std::memory_order_relaxed);
    finish(out, result_entry::last, 0, 1);
  }

  static std::byte* payload(result_entry& entry) {
    return reinterpret_cast<std::byte*>(&entry) + sizeof entry;
  }

  /// Room for an entry at the end of the ring.
  result_entry& reserve(const task_entry& entry, std::uint32_t item, std::size_t size) {
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

  void finish(result_entry& out, std::uint32_t flags, std::size_t size, std::uint32_t items) {
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
  void add_to_run(const task_entry& entry, std::uint32_t item, std::size_t size) {
    if (run_ && run_bytes_ + size > run_room_) close_run(false);
    if (!run_) {
      run_room_ = std::max(size, largest_run);
      run_ = &reserve(entry, item, run_room_);
      run_->progress.store(0, std::memory_order_relaxed);
      run_bytes_ = 0;
      run_items_ = 0;
      page_.open.store(written_ + 1, std::memory_order_release);
    }
    if (size != 0) std::memcpy(payload(*run_) + run_bytes_, result_.bytes().data(), size);
    run_bytes_ += size;
    ++run_items_;
    run_->progress.store((std::uint64_t(run_items_) << 32) | run_bytes_, std::memory_order_release);
  }

  bool run_is_old() {
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

  void close_run(bool last) {
    if (!run_) return;
    result_entry& out = *std::exchange(run_, nullptr);
    finish(out, last ? result_entry::last : 0, run_bytes_, run_items_);
    page_.open.store(0, std::memory_order_release);
  }

  const os::unique_fd socket_;
  const os::mapping memory_;
  link_page& page_;
  const worker_settings settings_;
  std::deque<message> packets_; ///< Of units that are still to come.
  std::vector<target> targets_;
  message result_;
  std::uint64_t read_ = 0, written_ = 0, published_ = 0;
  std::int64_t started_ = 0, run_started_ = 0;
  result_entry* run_ = nullptr;
  std::size_t run_bytes_ = 0, run_room_ = 0;
  std::uint32_t run_items_ = 0, clock_every_ = 1, since_clock_ = 0;
};

} // namespace

void run_pool_worker(std::span<const std::byte> arguments, message& from, message&) {
  const auto settings = wire::decode<worker_settings>(arguments, nullptr);
  os::unique_fd socket(from.take(0));
  os::memory_segment segment(os::unique_fd(from.take(1)));
  os::mapping memory =
      segment.map(sizeof(link_page), os::access::write, os::sharing::shared, os::population::on_use);
  worker_loop(std::move(socket), std::move(memory), settings).run();
}

} // namespace coproc::detail
