// Compiled as C++23 where the compiler can, for std::string::resize_and_overwrite: a resize() that clears
// memory which is about to be overwritten costs more than the read itself.
#include "program/byte_buffer.hpp"

#include <algorithm>
#include <utility>
#include <version>

namespace coproc::detail {

char* byte_buffer::prepare(std::size_t least) {
  if (room() >= least) return storage_.data() + end_;
  if (begin_ != 0) {
    // Worth it if it makes enough room, and moves less than what has been consumed.
    if (begin_ >= size() && storage_.size() - size() >= least) {
      std::memmove(storage_.data(), data(), size());
      end_ = size();
      begin_ = 0;
      return storage_.data() + end_;
    }
  }
  const std::size_t wanted = std::max(end_ + least, storage_.size() * 2);
#ifdef __cpp_lib_string_resize_and_overwrite
  storage_.resize_and_overwrite(wanted, [](char*, std::size_t size) { return size; });
#else
  storage_.resize(wanted);
#endif
  return storage_.data() + end_;
}

std::string byte_buffer::take() {
  std::string result;
  if (size() * 2 >= storage_.capacity()) {
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
