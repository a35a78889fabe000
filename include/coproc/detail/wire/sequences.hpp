#pragma once

#include <coproc/detail/wire/length.hpp>

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <filesystem>
#include <forward_list>
#include <iterator>
#include <list>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace coproc::wire::impl {

/// @returns whether the bytes at @p at can be used as objects of T where they are.
template <class T>
bool is_aligned(const std::byte* at) {
  return reinterpret_cast<std::uintptr_t>(at) % alignof(T) == 0;
}

/// From here on new memory is worth a word with the kernel.
inline constexpr std::size_t much_memory = 4 << 20;
/// @p size bytes at @p memory, which were just allocated, will be written: in huge pages, where the system
/// has them, that is several times faster.
void expect_much_memory(void* memory, std::size_t size) noexcept;

template <class T, class C>
void load_contiguous(input_archive& in, C& into, std::size_t count) {
  const std::byte* from = in.skip(count * sizeof(T));
  if (count * sizeof(T) >= much_memory) {
    into.clear();
    into.reserve(count);
    expect_much_memory(static_cast<void*>(into.data()), count * sizeof(T));
  }
  if (is_aligned<T>(from)) {
    auto first = reinterpret_cast<const T*>(from);
    into.assign(first, first + count); // not cleared first
  } else {
    into.resize(count);
    if (count != 0) std::memcpy(static_cast<void*>(into.data()), from, count * sizeof(T));
  }
  if constexpr (holds_bool<T>())
    for (const T& each : into) impl::check_bools(each);
}

template <class C, class T, class A>
struct codec<std::basic_string<C, T, A>> {
  using parts = list<C>;
  using type = std::basic_string<C, T, A>;
  static constexpr std::size_t min_size = 8;

  static void save(output_archive& out, const type& value) {
    save_length(out, value.size());
    out.write(value.data(), value.size() * sizeof(C));
  }
  static void load(input_archive& in, type& value) {
    impl::load_contiguous<C>(in, value, in.read_length(sizeof(C)));
  }
};

template <>
struct codec<std::filesystem::path> {
  using parts = list<>;
  static constexpr std::size_t min_size = 8;

  static void save(output_archive& out, const std::filesystem::path& value) {
    impl::save_value(out, value.native());
  }
  static void load(input_archive& in, std::filesystem::path& value) {
    value = make_value<std::filesystem::path::string_type>(in);
  }
};

/// Sequences.
template <class C, class T>
struct sequence_codec {
  using parts = list<T>;
  static constexpr std::size_t min_size = 8;
  static constexpr bool contiguous = flat<T>() && requires(C c) { c.data(); };
  /// Elements with const fields can't be written over.
  static constexpr bool as_block =
      contiguous && std::is_default_constructible_v<T> && std::is_copy_assignable_v<T>;

  static void save(output_archive& out, const C& value) {
    const level deeper(out.state());
    save_length(out, value.size());
    if constexpr (contiguous)
      out.write(value.data(), value.size() * sizeof(T));
    else
      for (const auto& each : value) impl::save_value<T>(out, each);
  }
  static void load(input_archive& in, C& value) {
    const level deeper(in.state(), stack_for<T>());
    const std::size_t count = in.read_length(impl::min_size<T>());
    if constexpr (as_block)
      impl::load_contiguous<T>(in, value, count);
    else {
      value.clear();
      impl::reserve_some(value, count, in.left());
      for (std::size_t i = 0; i != count; ++i) {
        if constexpr (!made_then_loaded<T> || std::is_same_v<T, bool>)
          value.push_back(make_value<T>(in));
        else
          impl::load_value(in, value.emplace_back());
      }
    }
  }
};

template <class T, class A>
struct codec<std::vector<T, A>> : sequence_codec<std::vector<T, A>, T> {};
template <class T, class A>
struct codec<std::deque<T, A>> : sequence_codec<std::deque<T, A>, T> {};
template <class T, class A>
struct codec<std::list<T, A>> : sequence_codec<std::list<T, A>, T> {};

template <class T, class A>
struct codec<std::forward_list<T, A>> {
  using parts = list<T>;
  static constexpr std::size_t min_size = 8;

  static void save(output_archive& out, const std::forward_list<T, A>& value) {
    const level deeper(out.state());
    save_length(out, static_cast<std::size_t>(std::distance(value.begin(), value.end())));
    for (const T& each : value) impl::save_value(out, each);
  }
  static void load(input_archive& in, std::forward_list<T, A>& value) {
    const level deeper(in.state(), stack_for<T>());
    const std::size_t count = in.read_length(impl::min_size<T>());
    value.clear();
    auto last = value.before_begin();
    for (std::size_t i = 0; i != count; ++i) {
      if constexpr (made_then_loaded<T>)
        impl::load_value(in, *(last = value.emplace_after(last)));
      else
        last = value.insert_after(last, make_value<T>(in));
    }
  }
};

template <class A>
struct codec<std::vector<bool, A>> {
  using parts = list<bool>;
  static constexpr std::size_t min_size = 8;

  static void save(output_archive& out, const std::vector<bool, A>& value) {
    save_length(out, value.size());
    unsigned char byte = 0;
    for (std::size_t i = 0; i != value.size(); ++i) {
      byte = static_cast<unsigned char>(byte | (value[i] ? 1u << i % 8 : 0u));
      if (i % 8 == 7 || i + 1 == value.size()) {
        out.write(&byte, 1);
        byte = 0;
      }
    }
  }
  static void load(input_archive& in, std::vector<bool, A>& value) {
    std::uint64_t count = 0;
    in.read(&count, sizeof count);
    if (count / 8 > in.left()) throw_bad_length(count / 8, 1, in.left());
    const std::byte* bytes = in.skip(static_cast<std::size_t>(count / 8 + (count % 8 != 0)));
    value.assign(static_cast<std::size_t>(count), false);
    for (std::size_t i = 0; i != value.size(); ++i)
      if ((std::to_integer<unsigned>(bytes[i / 8]) >> i % 8 & 1) != 0) value[i] = true;
  }
};

template <std::size_t N>
struct codec<std::bitset<N>> {
  using parts = list<>;
  static constexpr std::size_t min_size = N == 0 ? 1 : (N + 7) / 8;

  static void save(output_archive& out, const std::bitset<N>& value) {
    std::array<unsigned char, min_size> bytes{};
    for (std::size_t i = 0; i != N; ++i)
      if (value[i]) bytes[i / 8] = static_cast<unsigned char>(bytes[i / 8] | 1u << i % 8);
    out.write(bytes.data(), bytes.size());
  }
  static void load(input_archive& in, std::bitset<N>& value) {
    const std::byte* bytes = in.skip(min_size);
    for (std::size_t i = 0; i != N; ++i)
      value[i] = (std::to_integer<unsigned>(bytes[i / 8]) >> i % 8 & 1) != 0;
  }
};

template <class T, std::size_t N>
struct codec<std::array<T, N>> {
  using parts = list<T>;
  static constexpr bool flat = N != 0 && impl::flat<T>();
  static constexpr std::size_t min_size = N == 0 ? 1 : N * impl::min_size<T>();
  static constexpr bool in_place = impl::in_place<T>();

  static void save(output_archive& out, const std::array<T, N>& value) {
    if constexpr (N == 0) out.write("", 1);
    for (const T& each : value) impl::save_value(out, each);
  }
  static void load(input_archive& in, std::array<T, N>& value) {
    if constexpr (N == 0) in.skip(1);
    for (T& each : value) impl::load_value(in, each);
  }
  static std::array<T, N> make(input_archive& in) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return std::array<T, N>{(static_cast<void>(I), make_value<std::remove_const_t<T>>(in))...};
    }
    (std::make_index_sequence<N>());
  }
};

} // namespace coproc::wire::impl
