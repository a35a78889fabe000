#pragma once

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

namespace coproc::detail {

/// Bytes between a pipe and its reader: filled at the end, consumed at the front. Its memory is a
/// std::string's, so that a whole output is handed to the caller without a copy.
class byte_buffer {
public:
  const char* data() const noexcept { return storage_.data() + begin_; }
  std::size_t size() const noexcept { return end_ - begin_; }
  bool empty() const noexcept { return begin_ == end_; }
  std::string_view view() const noexcept { return {data(), size()}; }

  /// The room behind the data. The first @p size bytes of it become data with commit().
  char* end() noexcept { return storage_.data() + end_; }
  std::size_t room() const noexcept { return storage_.size() - end_; }
  void commit(std::size_t size) noexcept { end_ += size; }

  /// Moves the data to the front if that moves less than what has been consumed.
  void compact() noexcept;
  /// Makes room for at least @p size bytes.
  void reserve(std::size_t size);
  /// To be called before each read: a buffer of hundreds of megabytes moves to larger memory in small steps,
  /// before it is full, so that no read takes as long as a copy of it all.
  void prepare() noexcept;
  /// Adds bytes, and memory as it is needed.
  void append(const char* bytes, std::size_t size);

  void consume(std::size_t size) noexcept {
    begin_ += size;
    if (begin_ == end_) begin_ = end_ = from_ = copied_ = 0; // what has been copied is gone, too
  }

  /// Drops all but the first @p size bytes.
  void truncate(std::size_t size) noexcept {
    if (size >= this->size()) return;
    end_ = begin_ + size;
    if (copied_ > end_) copied_ = end_;
  }

  /// @returns all bytes, and is empty. A small result that fills less than half of the memory is copied into
  /// less.
  std::string take();

private:
  void copy(std::size_t most) noexcept;
  void move_on() noexcept;

  std::string storage_; // its size is the capacity; what lies outside of [begin_, end_) means nothing
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  // The memory that prepare() has begun to move to, and has what was [from_, copied_) here; or none.
  std::string next_;
  std::size_t from_ = 0;
  std::size_t copied_ = 0;
};

} // namespace coproc::detail
