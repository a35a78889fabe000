// Compiled as C++23 where the compiler can, for std::string::resize_and_overwrite: a resize() that clears
// memory which is about to be overwritten costs more than the read itself.
#include "program/byte_buffer.hpp"

#include "os/memory_segment.hpp"

#include <algorithm>
#include <exception>
#include <utility>
#include <version>

namespace coproc::detail {

namespace {

constexpr std::size_t mebibyte = std::size_t(1) << 20;

/// Copies cost more than address space: where malloc maps memory page by page, what is not touched costs
/// nothing. So large buffers grow by eight; huge ones by two again, lest the kernel refuse to overcommit.
std::size_t grown(std::size_t capacity) {
  return capacity >= mebibyte && capacity < 64 * mebibyte ? capacity * 8 : capacity * 2;
}

std::string uninitialized(std::size_t size) {
  std::string memory;
#ifdef __cpp_lib_string_resize_and_overwrite
  memory.resize_and_overwrite(size, [](char*, std::size_t all) { return all; });
  if (size >= 8 * mebibyte) os::advise_huge_pages(memory.data(), size); // all of it is going to be filled
#else
  memory.resize(size);
#endif
  return memory;
}

} // namespace

void byte_buffer::compact() noexcept {
  if (begin_ == 0 || begin_ < size()) return;
  std::memmove(storage_.data(), data(), size());
  end_ = size();
  begin_ = from_ = copied_ = 0;
  next_ = std::string();
}

void byte_buffer::reserve(std::size_t count) {
  if (room() >= count) return;
  if (next_.size() < end_ - from_ + count) {
    next_ = uninitialized(std::max(size() + count, grown(storage_.size())));
    from_ = copied_ = begin_;
  }
  copy(size());
  move_on();
}

void byte_buffer::prepare() noexcept {
  // A read is of a mebibyte at most, so this is through before the last quarter is full.
  constexpr std::size_t large = 128 * mebibyte, step = 6 * mebibyte;
  if (storage_.size() < large || room() > storage_.size() / 4) return;
  if (next_.empty()) {
    try {
      next_ = uninitialized(grown(storage_.size()));
    } catch (const std::exception&) {
      return; // it may never be needed
    }
    from_ = copied_ = begin_;
  }
  copy(step);
  if (copied_ == end_) move_on();
}

void byte_buffer::copy(std::size_t most) noexcept {
  copied_ = std::max(copied_, begin_);
  const std::size_t count = std::min(most, end_ - copied_);
  std::memcpy(next_.data() + (copied_ - from_), storage_.data() + copied_, count);
  copied_ += count;
}

void byte_buffer::move_on() noexcept {
  storage_ = std::exchange(next_, std::string());
  begin_ -= from_;
  end_ -= from_;
  from_ = copied_ = 0;
}

void byte_buffer::append(const char* bytes, std::size_t count) {
  reserve(count);
  std::memcpy(end(), bytes, count);
  commit(count);
}

std::string byte_buffer::take() {
  std::string result;
  if (size() >= mebibyte || size() * 2 >= storage_.capacity()) {
    storage_.resize(end_);
    storage_.erase(0, begin_);
    result = std::move(storage_);
  } else {
    result.assign(data(), size());
  }
  storage_ = next_ = std::string();
  begin_ = end_ = from_ = copied_ = 0;
  return result;
}

} // namespace coproc::detail
