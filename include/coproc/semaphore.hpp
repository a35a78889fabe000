#pragma once

#include <asio/awaitable.hpp>

#include <cstddef>
#include <memory>
#include <optional>

namespace coproc {

namespace detail {
class semaphore_state;
}

/// One unit of a semaphore, given back when it is destroyed. Move-only; may outlive the semaphore.
class permit {
public:
  permit() = default;
  permit(permit&&) noexcept = default;
  permit& operator=(permit&&) noexcept;
  permit(const permit&) = delete;
  permit& operator=(const permit&) = delete;
  ~permit();

  /// Gives it back now. Harmless if that has been done, or if it is empty.
  void release() noexcept;
  /// @returns whether it holds a unit.
  explicit operator bool() const noexcept { return state_ != nullptr; }

private:
  friend class semaphore;
  friend class detail::semaphore_state;
  explicit permit(std::shared_ptr<detail::semaphore_state> state) : state_(std::move(state)) {}

  std::shared_ptr<detail::semaphore_state> state_;
};

/// A counting semaphore for the coroutines of one event loop: caps how many of them do a thing at once.
///
/// First come, first served: a permit that is given back goes to the coroutine that has waited longest, and
/// none can overtake it.
///
/// **Destruction**: waiters complete with `operation_aborted`, and so does what acquire() has returned and
/// nobody awaits yet; permits that are out stay valid.
/// **Thread safety**: one strand at a time.
class semaphore {
public:
  /// @param permits how many can be out at once; with 0, acquire() waits for ever.
  explicit semaphore(std::size_t permits);
  semaphore(semaphore&&) noexcept = default;
  semaphore& operator=(semaphore&&) noexcept;
  semaphore(const semaphore&) = delete;
  semaphore& operator=(const semaphore&) = delete;
  ~semaphore();

  /// Waits for a permit.
  /// @throws std::logic_error on another execution context than that of the first wait.
  /// **Cancellation**: terminal, partial and total; a cancelled acquire holds no permit.
  asio::awaitable<permit> acquire();
  /// @returns a permit, or nullopt if none is free or somebody waits already.
  std::optional<permit> try_acquire();
  /// @returns how many are free.
  std::size_t available() const;

private:
  std::shared_ptr<detail::semaphore_state> state_;
};

} // namespace coproc
