#pragma once

#include "ipc/message_buffer.hpp"
#include "os/fd.hpp"
#include "os/memory_segment.hpp"
#include "pool/link_layout.hpp"

#include <coproc/detail/message.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace coproc::detail {

/// A worker's side of what it shares with the pool, whose other side is host_link: takes tasks, notes what
/// is started, gives results. All but the constructor throw `over` when the host has gone, or has let the
/// worker go.
class worker_link {
public:
  struct over {};

  worker_link(os::unique_fd socket, os::mapping memory, const worker_settings& settings);
  worker_link(const worker_link&) = delete;

  /// Waits for the next entry; it is there until passed().
  task_entry& next_task();
  void passed(const task_entry& entry);
  static std::span<const std::byte> inline_bytes(const task_entry& entry);
  /// What the next unit has in a packet.
  message take_packet();

  /// @returns whether item @p index of the unit may start. From then on it counts as started.
  bool claim_item(const task_entry& entry, std::uint32_t index);

  /// The result of an item, or the exceptions that it ended with.
  enum class ending { succeeded, failed };
  /// @throws as outcome_sent() if it can't be sent; nothing is published then.
  void publish(const task_entry& entry, std::uint32_t item, message& result, ending how, bool last);
  /// No more items of the unit are started.
  void publish_end(const task_entry& entry, std::uint32_t item);

private:
  template <class Ready>
  void wait_until(Ready ready);
  void wake_host();
  void wake_host_if_due();
  void stamp();
  static std::byte* payload(result_entry& entry);
  result_entry& reserve(const task_entry& entry, std::uint32_t item, std::size_t size);
  void send(message& result);
  void finish(result_entry& out, std::uint32_t flags, std::size_t size, std::uint32_t items);
  void add_to_run(const task_entry& entry, std::uint32_t item, const message& result);
  bool run_is_old();
  void close_run(bool last);

  const os::unique_fd socket_;
  const os::mapping memory_;
  link_page& page_;
  const worker_settings settings_;
  const message_buffer buffer_; // for the bytes of one packet
  std::uint64_t read_ = 0, written_ = 0, published_ = 0, packets_ = 0;
  std::int64_t started_ = 0, run_started_ = 0;
  result_entry* run_ = nullptr;
  std::size_t run_bytes_ = 0, run_room_ = 0;
  std::uint32_t run_items_ = 0, clock_every_ = 1, since_clock_ = 0;
};

} // namespace coproc::detail
