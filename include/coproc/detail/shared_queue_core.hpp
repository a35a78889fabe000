#pragma once

#include <coproc/detail/message.hpp>
#include <coproc/duration.hpp>

#include <asio/awaitable.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <utility>

namespace coproc::detail {

/// An item on its way into a queue.
class item_source {
public:
  /// @returns its bytes, valid until the next call. @param scratch for them, empty, if it needs some.
  virtual std::span<const std::byte> bytes(message& scratch) = 0;

protected:
  ~item_source() = default;
};

inline constexpr std::size_t item_alignment = 8;

/// Where an item goes that is taken out of a queue.
class item_sink {
public:
  /// Copies @p bytes, which lie in shared memory, aligned to item_alignment: others may overwrite them, so
  /// they are to be read once. It may throw: then the item stays in the queue.
  virtual void take(std::span<const std::byte> bytes) = 0;

protected:
  ~item_sink() = default;
};

class shared_queue_state;

/// A shared_queue without its type. Copies share the queue, and have waiters of their own.
class shared_queue_core {
public:
  explicit shared_queue_core(std::ptrdiff_t maxsize);
  shared_queue_core(const shared_queue_core& other);
  shared_queue_core(shared_queue_core&&) noexcept = default;
  shared_queue_core& operator=(const shared_queue_core& other);
  shared_queue_core& operator=(shared_queue_core&& other) noexcept;
  ~shared_queue_core();

  static constexpr std::size_t descriptor_count = 4;
  using descriptors = std::array<int, descriptor_count>;
  /// @returns the queue's, which are open for as long as owner() lives.
  descriptors all_descriptors() const;
  std::shared_ptr<const void> owner() const;
  /// @returns a handle of the queue of @p from, which it owns, even if this throws.
  static shared_queue_core adopt(const descriptors& from);

  using state = std::shared_ptr<shared_queue_state>;
  /// @throws std::logic_error if it was moved from.
  const state& require() const;

  /// What the source and the sink refer to has to live until the end of the operation.
  static asio::awaitable<void> put(state queue, item_source& from, std::optional<duration> limit);
  static asio::awaitable<void> get(state queue, item_sink& to, std::optional<duration> limit);
  static asio::awaitable<void> join(state queue);

  void put_nowait(item_source& from);
  void get_nowait(item_sink& to);
  void blocking_put(item_source& from, std::optional<duration> limit);
  void blocking_get(item_sink& to, std::optional<duration> limit);
  void blocking_join();

  std::size_t qsize() const;
  bool full() const;
  void task_done();
  void close();

private:
  explicit shared_queue_core(state queue) : state_(std::move(queue)) {}

  state state_;
};

} // namespace coproc::detail
