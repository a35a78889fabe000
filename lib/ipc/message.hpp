#pragma once

#include "ipc/message_buffer.hpp"
#include "os/fd.hpp"
#include "os/host_fd.hpp"
#include "os/memory_segment.hpp"

#include <coproc/detail/message.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace coproc::detail {

/// A descriptor of a message.
struct attachment {
  explicit attachment(os::unique_fd own) noexcept : owned(std::move(own)) {}
  attachment(int descriptor, std::shared_ptr<const void> owner) noexcept
      : lent(descriptor), lender(std::move(owner)) {}

  int get() const noexcept { return lender ? lent : owned.get(); }
  /// @returns it, or a duplicate of what is lent; -1 if there is none.
  int take() noexcept;

  os::host_fd owned; // on its way to one process, so that a fork closes its copy
  int lent = -1;     // in place of it
  std::shared_ptr<const void> lender;
};

/// A message is filled from its front to its end: first a buffer; what goes beyond the threshold is written
/// to a segment, through that buffer or, in large pieces, past it. A message that was received is only read.
struct message::contents {
  message_buffer buffer;
  os::memory_segment segment; // none: all bytes are in the buffer
  std::size_t in_segment = 0; // bytes written there; the buffer's come after them
  os::mapping view;           // of the segment, made when somebody asks for the bytes; can outlive it
  bool received = false;      // the segment is sealed, and holds everything
  std::vector<attachment> descriptors;

  void write_buffered(std::size_t size);
};

/// What the transport needs of a message beyond its public part.
struct message_access {
  /// The descriptor of the segment in which the bytes are, all of them, sealed against any change: hand it to
  /// the receiver with size(). The message stays its owner. @returns -1 if they are in private memory:
  /// send bytes().
  static int segment(message& of);

  /// The attached descriptors, by index; -1 for those that were taken.
  static std::vector<int> descriptors(const message& of);

  /// In the child of a fork, which is to decode it: keeps the attached descriptors open there.
  static void keep_in_fork(message& of) noexcept;

  /// Gives the first @p size bytes of @p bytes to a message that was received, and has descriptors only.
  /// @throws std::bad_alloc
  static void adopt(message& to, message_buffer bytes, std::size_t size);

  /// A message whose bytes are the first @p size ones of a segment that was received.
  /// @throws wire::error if it is no segment of that size, or not sealed: a segment that its sender can still
  /// truncate or change can't be read safely.
  static message of_segment(os::unique_fd segment, std::size_t size, std::vector<os::unique_fd> descriptors);

  /// Maps the bytes of a message that was received, and closes the descriptor of their segment: for those of
  /// which a process keeps any number. It is not to be sent on then.
  /// @throws std::system_error if they can't be mapped; it holds what it held before.
  static void keep_mapped(message& of);
};

} // namespace coproc::detail
