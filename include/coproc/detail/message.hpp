#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

namespace coproc::detail {

/// Encoded values on their way between two processes: bytes, which it owns, and the descriptors that belong
/// to them, which are its own or lent.
///
/// Bytes beyond `message::segment_threshold` live in anonymous shared memory (memfd_create(2)), which is
/// handed over in place of being copied through a socket.
class message {
public:
  static const std::size_t segment_threshold;

  message() noexcept;
  message(message&&) noexcept;
  message& operator=(message&&) noexcept;
  message(const message&) = delete;
  ~message();

  /// Adds @p size bytes at the end. @throws std::bad_alloc, or std::system_error if there is no room for the
  /// shared memory; the message then holds what it held before.
  void append(const void* data, std::size_t size) {
    if (size > static_cast<std::size_t>(end_ - at_)) return append_beyond(data, size);
    if (size != 0) std::memcpy(at_, data, size);
    at_ += size;
  }
  /// Adds a descriptor, which it owns from here on, even if this throws. @returns its index.
  std::size_t attach(int descriptor);
  /// Adds one that belongs to @p owner, which stays alive for as long as the message: thousands of messages
  /// that wait can have the same. @returns its index.
  std::size_t lend(int descriptor, std::shared_ptr<const void> owner);

  /// How many bytes it holds.
  std::size_t size() const noexcept;
  /// @throws std::system_error if they are in shared memory that can't be mapped.
  std::span<const std::byte> bytes() const;
  std::size_t descriptor_count() const noexcept;
  /// Hands a descriptor over, of one that is lent a duplicate. @returns it; -1 if there is none of this
  /// index, it was taken before, or can't be duplicated.
  int take(std::size_t index) noexcept;

  /// Empties it; the room for small contents stays.
  void clear() noexcept;

private:
  friend struct message_access;
  struct contents;

  void append_beyond(const void* data, std::size_t size);
  contents& own();

  std::byte* at_ = nullptr; // the free part of the contents' buffer
  std::byte* end_ = nullptr;
  std::unique_ptr<contents> contents_; // null: empty
};

} // namespace coproc::detail
