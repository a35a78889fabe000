#pragma once

#include <coproc/detail/wire/value.hpp>

#include <cstddef>
#include <cstdint>

namespace coproc::wire::impl {

inline void save_length(output_archive& out, std::size_t count) {
  const std::uint64_t wide = count;
  out.write(&wide, sizeof wide);
}

/// Room for elements that are said to come, if it is in proportion to the bytes that are there.
template <class C>
void reserve_some(C& into, std::size_t count, std::size_t left) {
  if constexpr (requires { into.reserve(count); })
    if (count <= left / sizeof(typename C::value_type) * 4 + 64) into.reserve(count);
}

} // namespace coproc::wire::impl
