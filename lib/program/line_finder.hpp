#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace coproc::detail {

/// Finds the lines at the front of a buffer, one after the other. While they are short it looks at 64 bytes
/// at once and keeps the places of all their ends, since a call of memchr() costs more than a short line.
class line_finder {
public:
  static constexpr std::size_t npos = std::string_view::npos;

  /// @returns the length of the first line of @p size bytes; npos: they have no '\n'. What it has looked at
  /// is not looked at again, if bytes are only added since then, or taken by pass().
  [[gnu::always_inline]] std::size_t find(const char* bytes, std::size_t size) noexcept {
    if (ends_ == 0 && !look(bytes, size)) return npos;
    return looked_ - width + static_cast<std::size_t>(std::countr_zero(ends_));
  }
  /// The line that was found, and its '\n', leave the buffer.
  [[gnu::always_inline]] void pass(std::size_t length) noexcept {
    ends_ &= ends_ - 1;
    looked_ -= length + 1;
    long_ = length >= width / 2;
  }
  /// Other bytes have left it.
  void forget() noexcept {
    ends_ = 0;
    looked_ = 0;
  }

private:
  static constexpr std::size_t width = 64;

  [[gnu::always_inline]] bool look(const char* bytes, std::size_t size) noexcept {
#ifdef __SSE2__
    if (!long_ && size - looked_ >= width) {
      ends_ = ends_in(bytes + looked_);
      looked_ += width;
      if (ends_ != 0) return true;
    }
#endif
    return look_far(bytes, size);
  }

  bool look_far(const char* bytes, std::size_t size) noexcept {
    if (size == looked_) return false;
    const void* found = std::memchr(bytes + looked_, '\n', size - looked_);
    if (!found) {
      looked_ = size;
      return false;
    }
    // As if it were the last of 64 bytes.
    ends_ = std::uint64_t(1) << (width - 1);
    looked_ = static_cast<std::size_t>(static_cast<const char*>(found) - bytes) + 1;
    return true;
  }

#ifdef __SSE2__
  static std::uint64_t ends_in(const char* bytes) noexcept {
    const __m128i end = _mm_set1_epi8('\n');
    std::uint64_t ends = 0;
    for (unsigned i = 0; i != 4; ++i) {
      const __m128i part = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes) + i);
      const auto here = static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(part, end)));
      ends |= static_cast<std::uint64_t>(here) << (16 * i);
    }
    return ends;
  }
#endif

  std::size_t looked_ = 0; // so many bytes at the front have been looked at
  std::uint64_t ends_ = 0; // bit i: the last but 63 - i of them is a '\n' that has not been passed
  bool long_ = false;      // the line before was
};

} // namespace coproc::detail
