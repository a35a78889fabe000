// Compiled as C++23 where the compiler can, for std::string::resize_and_overwrite: a resize() that clears
// memory which is about to be overwritten costs more than the read itself.
#include "program/byte_buffer.hpp"

#include "os/self.hpp"

#include <algorithm>
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
  begin_ = 0;
}

void byte_buffer::reserve(std::size_t count) {
  if (room() >= count) return;
  std::string larger = uninitialized(std::max(size() + count, grown(storage_.size())));
  if (larger.size() >= 8 * mebibyte) os::expect_to_fill(larger.data(), larger.size());
  std::memcpy(larger.data(), data(), size());
  storage_ = std::move(larger);
  end_ = size();
  begin_ = 0;
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
  storage_ = std::string();
  begin_ = end_ = 0;
  return result;
}

} // namespace coproc::detail
