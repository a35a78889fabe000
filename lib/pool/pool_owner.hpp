#pragma once

#include "pool/policy.hpp"

#include <coproc/detail/message.hpp>
#include <coproc/detail/pool_target.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <utility>

namespace coproc::detail {

/// Whose items the policy's units are: each of them gets a result or an error, once.
class pool_owner : public std::enable_shared_from_this<pool_owner> {
public:
  pool_owner(std::uint32_t items, std::uint32_t target_, message arguments_)
      : arguments(std::move(arguments_)), target(target_), left_(items) {}
  pool_owner(const pool_owner&) = delete;
  virtual ~pool_owner() = default;

  void deliver(std::uint32_t first, std::uint32_t count, std::span<const std::byte> bytes, message* packet) {
    auto keep = shared_from_this();
    settle(count);
    delivered(first, count, bytes, packet);
  }
  /// The execution context ends: nobody who waits can be told.
  void drop() noexcept {
    auto keep = shared_from_this();
    unit = nullptr;
    self_.reset();
    dropped();
  }
  void fail(std::uint32_t first, std::uint32_t count, const std::exception_ptr& error) {
    auto keep = shared_from_this();
    settle(count);
    failed(first, count, error);
  }
  /// It was run and has ended by itself: there is nothing to settle.
  void release() noexcept {
    unit = nullptr;
    self_.reset();
  }
  /// A program's, when it is its turn, and when it is to end.
  virtual void begin() {}
  virtual void stop() {}

  /// Until all items are settled, the policy alone may know of it.
  void keep_alive() { self_ = shared_from_this(); }

  /// Somebody awaits it as an operation of the pool, and is told operation_aborted when the pool is
  /// destroyed.
  bool is_operation = false;
  /// It counts for max_pending.
  bool pends = false;
  /// How many items it has was measured, and not asked for.
  bool divisible = false;
  /// How the items follow each other in the arguments.
  item_layout layout;
  message arguments;
  const std::uint32_t target;
  pool_policy::unit* unit = nullptr; ///< Of an owner of one item, as long as it is not settled.

protected:
  /// Before it is submitted: how many items it has.
  void holds(std::uint32_t items) noexcept { left_ = items; }

private:
  virtual void delivered(std::uint32_t first, std::uint32_t count, std::span<const std::byte> bytes,
                         message* packet) = 0;
  virtual void failed(std::uint32_t first, std::uint32_t count, const std::exception_ptr& error) = 0;
  virtual void dropped() noexcept = 0;

  void settle(std::uint32_t count) {
    left_ -= count;
    if (left_ != 0) return;
    unit = nullptr;
    arguments = message();
    self_.reset();
  }

  std::uint32_t left_;
  std::shared_ptr<pool_owner> self_;
};

} // namespace coproc::detail
