#pragma once

#include "ipc/message_buffer.hpp"
#include "os/memory_segment.hpp"
#include "os/socket.hpp"
#include "pool/link_layout.hpp"
#include "pool/policy.hpp"
#include "program/stream_end.hpp"

#include <coproc/detail/message.hpp>
#include <coproc/detail/pool_target.hpp>

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <stdexcept>

namespace coproc::detail {

/// A worker wrote what no worker writes.
class link_garbage : public std::runtime_error {
public:
  enum class place {
    socket, ///< What the page says of started and finished items still holds.
    page    ///< Nothing that it says does.
  };
  link_garbage(place where_, const char* what) : std::runtime_error(what), where(where_) {}
  const place where;
};

/// The host's side of what it shares with one worker: hands tasks over, reads results. It trusts nothing that
/// is in the page: a task with a wild pointer can have written anything there.
class host_link {
public:
  /// @throws std::system_error if there are no descriptors or no memory.
  explicit host_link(const asio::any_io_executor& executor);
  host_link(const host_link&) = delete;

  /// Adds the arguments of run_pool_worker(), and hands over the worker's end of the socket with them.
  void add_arguments(message& to, const worker_settings& settings);

  /// @name Handing over. Nothing is seen of it before nudge().
  /// @{
  /// The target has to be known to the worker; see knows(). @returns 0; ENOBUFS if there is no room in the
  /// ring; another errno if the socket refuses.
  struct handing {
    std::uint64_t sequence = 0;
    std::uint32_t target = 0, first = 0, count = 1;
    item_layout layout;
  };
  int hand(const handing& what, message& arguments, std::uint64_t& place);
  bool knows(std::uint32_t target) const noexcept { return target < known_.size() && known_[target]; }
  /// @returns whether there was room.
  bool define(std::uint32_t target, std::uint64_t offset, const std::string& module_id,
              const std::string& module_path, const std::string& function);
  void revoke(std::uint64_t place) noexcept;
  /// Wakes the worker if it sleeps and has something to do.
  void nudge() noexcept;
  /// @}

  void freeze() noexcept;
  void thaw() noexcept;
  bool is_frozen() const noexcept;
  /// @returns how many items of the unit have been started.
  std::uint32_t started_items(std::uint64_t sequence) const noexcept;
  /// @returns when the last one was; nullopt: it has finished, and its result may wait for room.
  std::optional<std::chrono::steady_clock::time_point> started_at() const noexcept;

  struct result {
    std::uint64_t sequence = 0;
    std::uint32_t first = 0, items = 0;
    bool failed = false, last = false, worn = false, in_packet = false;
    std::int64_t busy = 0;            ///< ns, of one item.
    std::span<const std::byte> bytes; ///< Valid until next_result() is called again.
  };
  enum class depth { closed_runs, open_run };
  /// What to do with a packet that this process has no descriptors or no memory for.
  enum class shortage { leave, lose };
  /// Takes the next result. @returns none, too, if it was left because of a shortage: see is_short().
  /// @throws link_garbage, also if its packet is not there.
  std::optional<result> next_result(depth how, shortage then);
  /// What the last result had in a packet. @throws std::system_error if that was lost.
  message take_packet();
  /// A packet was left in the socket, which stays readable: nothing tells when there is room.
  bool is_short() const noexcept { return short_; }

  /// Receives what is in the socket, and there is room for. @returns false if the worker's end is closed.
  /// @throws link_garbage.
  bool receive();
  /// Says that the host is about to sleep until @p count more results are there, or the worker has run dry.
  /// @returns false if there is something to read already.
  bool arm(std::uint64_t count) noexcept;
  void disarm() noexcept { page().wake_at.store(0); }

  stream_end& socket() noexcept { return socket_; }
  /// No more packets: the worker leaves when it has nothing to do.
  void shut_down() noexcept;

private:
  host_link(const asio::any_io_executor& executor, os::packet_pair ends);
  enum class arrival { nothing, refused, wake_up, result };
  arrival receive_one(shortage then);
  arrival refuse(int error) noexcept;
  bool fetch_packet(shortage then);
  /// Of a large result; with an error if it could not be received.
  struct packet {
    message body;
    int error = 0;
  };
  link_page& page() const noexcept { return *reinterpret_cast<link_page*>(memory_.data()); }
  std::byte* task_room(std::uint64_t size) noexcept;
  void publish_task(std::uint64_t size) noexcept;
  void pass_over(std::uint64_t size) noexcept;

  os::memory_segment segment_;
  os::mapping memory_;
  os::unique_fd worker_end_;
  stream_end socket_;
  const message_buffer buffer_; // for the bytes of one packet
  std::vector<bool> known_;
  std::deque<packet> packets_;
  std::uint64_t received_ = 0; // packets of results
  std::size_t to_discard_ = 0; // those that are still in the socket, and whose results have failed
  int refusal_ = 0;            // errno, if short_
  std::uint64_t tasks_written_ = 0;
  std::uint64_t results_read_ = 0, passed_ = 0; // passed_: of the last result, given back with the next
  std::uint64_t entries_read_ = 0;
  // Of the run at results_read_ that was read before it was closed.
  std::uint32_t early_items_ = 0, early_bytes_ = 0;
  bool closed_ = false, short_ = false;
};

} // namespace coproc::detail
