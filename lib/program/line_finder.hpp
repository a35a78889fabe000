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
#ifdef __SSE2__
    if (ends_ == 0 && !long_ && size - looked_ >= width) {
      ends_ = ends_in(bytes + looked_);
      looked_ += width;
    }
    if (ends_ != 0) return looked_ - width + static_cast<std::size_t>(std::countr_zero(ends_));
#endif
    if (size == looked_) return npos;
    const void* found = std::memchr(bytes + looked_, '\n', size - looked_);
    looked_ = found ? static_cast<std::size_t>(static_cast<const char*>(found) - bytes) : size;
    return found ? looked_ : npos;
  }
  /// The line that was found, and its '\n', leave the buffer.
  [[gnu::always_inline]] void pass(std::size_t length) noexcept {
    ends_ &= ends_ - 1;
    looked_ = looked_ > length ? looked_ - (length + 1) : 0;
    long_ = length >= width / 2;
  }
  /// Other bytes have left it.
  void forget() noexcept {
    ends_ = 0;
    looked_ = 0;
  }

private:
  static constexpr std::size_t width = 64;

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
  std::uint64_t ends_ = 0; // of the last 64 of them: those that are a '\n' and have not been passed
  bool long_ = false;      // the line before was
};

} // namespace coproc::detail
