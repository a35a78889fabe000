#pragma once

#include <coproc/detail/wire/value.hpp>

#include <array>
#include <bitset>
#include <chrono>
#include <complex>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

namespace coproc::wire::impl {

inline void save_length(output_archive& out, std::size_t count) {
  const std::uint64_t wide = count;
  out.write(&wide, sizeof wide);
}

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
    for (const T& each : into) check_bools(each);
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
    load_contiguous<C>(in, value, in.read_length(sizeof(C)));
  }
};

template <>
struct codec<std::filesystem::path> {
  using parts = list<>;
  static constexpr std::size_t min_size = 8;

  static void save(output_archive& out, const std::filesystem::path& value) {
    save_value(out, value.native());
  }
  static void load(input_archive& in, std::filesystem::path& value) {
    value = make_value<std::filesystem::path::string_type>(in);
  }
};

/// Room for elements that are said to come, if it is in proportion to the bytes that are there.
template <class C>
void reserve_some(C& into, std::size_t count, std::size_t left) {
  if constexpr (requires { into.reserve(count); })
    if (count <= left / sizeof(typename C::value_type) * 4 + 64) into.reserve(count);
}

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
    const level deeper(out.state().depth);
    save_length(out, value.size());
    if constexpr (contiguous)
      out.write(value.data(), value.size() * sizeof(T));
    else
      for (const auto& each : value) save_value<T>(out, each);
  }
  static void load(input_archive& in, C& value) {
    const level deeper(in.state().depth);
    const std::size_t count = in.read_length(impl::min_size<T>());
    if constexpr (as_block)
      load_contiguous<T>(in, value, count);
    else {
      value.clear();
      reserve_some(value, count, in.left());
      for (std::size_t i = 0; i != count; ++i) {
        if constexpr (!made_then_loaded<T> || std::is_same_v<T, bool>)
          value.push_back(make_value<T>(in));
        else
          load_value(in, value.emplace_back());
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
    for (const T& each : value) save_value(out, each);
  }
  static void load(input_archive& in, std::array<T, N>& value) {
    if constexpr (N == 0) in.skip(1);
    for (T& each : value) load_value(in, each);
  }
  static std::array<T, N> make(input_archive& in) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return std::array<T, N>{(static_cast<void>(I), make_value<std::remove_const_t<T>>(in))...};
    }
    (std::make_index_sequence<N>());
  }
};

/// Sets and maps, ordered and not, unique and not.
template <class C, class Key>
struct set_codec {
  using parts = list<Key>;
  static constexpr std::size_t min_size = 8;

  static void save(output_archive& out, const C& value) {
    const level deeper(out.state().depth);
    save_length(out, value.size());
    for (const Key& each : value) save_value(out, each);
  }
  static void load(input_archive& in, C& value) {
    const level deeper(in.state().depth);
    const std::size_t count = in.read_length(impl::min_size<Key>());
    value.clear();
    reserve_some(value, count, in.left());
    for (std::size_t i = 0; i != count; ++i) value.emplace_hint(value.end(), make_value<Key>(in));
  }
};

template <class C, class Key, class Value>
struct map_codec {
  using parts = list<Key, Value>;
  static constexpr std::size_t min_size = 8;

  static void save(output_archive& out, const C& value) {
    const level deeper(out.state().depth);
    save_length(out, value.size());
    for (const auto& [key, mapped] : value) {
      save_value(out, key);
      save_value(out, mapped);
    }
  }
  static void load(input_archive& in, C& value) {
    const level deeper(in.state().depth);
    const std::size_t count = in.read_length(impl::min_size<Key>() + impl::min_size<Value>());
    value.clear();
    reserve_some(value, count, in.left());
    for (std::size_t i = 0; i != count; ++i) {
      Key key = make_value<Key>(in);
      if constexpr (made_then_loaded<Value>)
        load_mapped(in, value, std::move(key));
      else
        value.emplace_hint(value.end(), std::move(key), make_value<std::remove_const_t<Value>>(in));
    }
  }

private:
  /// Where it will be: a large value that holds itself would take the stack at each level.
  static void load_mapped(input_archive& in, C& value, Key&& key) {
    const std::size_t before = value.size();
    const auto entry = value.emplace_hint(value.end(), std::piecewise_construct,
                                          std::forward_as_tuple(std::move(key)), std::tuple<>());
    if (value.size() != before)
      load_value(in, entry->second);
    else
      load_value(in, *std::make_unique<Value>()); // the first one of a key stays
  }
};

template <class K, class C, class A>
struct codec<std::set<K, C, A>> : set_codec<std::set<K, C, A>, K> {};
template <class K, class C, class A>
struct codec<std::multiset<K, C, A>> : set_codec<std::multiset<K, C, A>, K> {};
template <class K, class H, class E, class A>
struct codec<std::unordered_set<K, H, E, A>> : set_codec<std::unordered_set<K, H, E, A>, K> {};
template <class K, class H, class E, class A>
struct codec<std::unordered_multiset<K, H, E, A>> : set_codec<std::unordered_multiset<K, H, E, A>, K> {};
template <class K, class V, class C, class A>
struct codec<std::map<K, V, C, A>> : map_codec<std::map<K, V, C, A>, K, V> {};
template <class K, class V, class C, class A>
struct codec<std::multimap<K, V, C, A>> : map_codec<std::multimap<K, V, C, A>, K, V> {};
template <class K, class V, class H, class E, class A>
struct codec<std::unordered_map<K, V, H, E, A>> : map_codec<std::unordered_map<K, V, H, E, A>, K, V> {};
template <class K, class V, class H, class E, class A>
struct codec<std::unordered_multimap<K, V, H, E, A>>
    : map_codec<std::unordered_multimap<K, V, H, E, A>, K, V> {};

template <class Tuple, class... T>
struct tuple_codec {
  using parts = list<T...>;
  static constexpr std::size_t min_size = sizeof...(T) == 0 ? 1 : (impl::min_size<T>() + ... + 0);
  static constexpr bool in_place = (impl::in_place<T>() && ...);

  static void save(output_archive& out, const Tuple& value) {
    if constexpr (sizeof...(T) == 0) out.write("", 1);
    std::apply([&](const auto&... each) { (save_value(out, each), ...); }, value);
  }
  static void load(input_archive& in, Tuple& value) {
    if constexpr (sizeof...(T) == 0) in.skip(1);
    std::apply([&](auto&... each) { (load_value(in, each), ...); }, value);
  }
  static Tuple make(input_archive& in) { return Tuple{make_value<std::remove_const_t<T>>(in)...}; }
};

template <class A, class B>
struct codec<std::pair<A, B>> : tuple_codec<std::pair<A, B>, A, B> {};
template <class... T>
struct codec<std::tuple<T...>> : tuple_codec<std::tuple<T...>, T...> {};

/// A byte that says whether something follows.
inline bool load_flag(input_archive& in) {
  unsigned char flag = 0;
  in.read(&flag, 1);
  if (flag > 1) throw_unexpected("whether there is a value (0 or 1)", flag);
  return flag == 1;
}
inline void save_flag(output_archive& out, bool there) {
  const unsigned char flag = there ? 1 : 0;
  out.write(&flag, 1);
}

template <class T>
struct codec<std::optional<T>> {
  using parts = list<T>;
  static constexpr std::size_t min_size = 1;

  static void save(output_archive& out, const std::optional<T>& value) {
    save_flag(out, value.has_value());
    if (value) save_value<std::remove_const_t<T>>(out, *value);
  }
  static void load(input_archive& in, std::optional<T>& value) {
    value.reset();
    if (!load_flag(in)) return;
    if constexpr (made_then_loaded<T>)
      load_value(in, value.emplace());
    else
      value.emplace(make_value<std::remove_const_t<T>>(in));
  }
};

template <class... T>
struct codec<std::variant<T...>> {
  using parts = list<T...>;
  using type = std::variant<T...>;
  using index = std::conditional_t<(sizeof...(T) < 256), std::uint8_t, std::uint32_t>;
  static constexpr std::size_t min_size = sizeof(index);
  static constexpr bool in_place = true;

  static void save(output_archive& out, const type& value) {
    if (value.valueless_by_exception()) throw error("wire: a std::variant that lost its value can't cross");
    const auto which = static_cast<index>(value.index());
    out.write(&which, sizeof which);
    std::visit([&](const auto& held) { save_value(out, held); }, value);
  }
  static void load(input_archive& in, type& value) {
    load_as(in, [&]<std::size_t I>() -> decltype(auto) {
      if constexpr (made_then_loaded<std::variant_alternative_t<I, type>>)
        load_value(in, value.template emplace<I>());
      else
        value.template emplace<I>(make_value<alternative<I>>(in));
    });
  }
  static type make(input_archive& in) {
    std::optional<type> made;
    load_as(in,
            [&]<std::size_t I>() { made.emplace(std::in_place_index<I>, make_value<alternative<I>>(in)); });
    return std::move(*made);
  }

private:
  template <std::size_t I>
  using alternative = std::remove_const_t<std::variant_alternative_t<I, type>>;

  template <class Load>
  static void load_as(input_archive& in, const Load& load) {
    index which = 0;
    in.read(&which, sizeof which);
    if (which >= sizeof...(T)) throw_unexpected("the number of an alternative of a std::variant", which);
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      static_cast<void>(((which == I && (load.template operator()<I>(), true)) || ...));
    }
    (std::index_sequence_for<T...>());
  }
};

[[noreturn]] void throw_sliced(const std::type_info& pointer, const std::type_info& object);

/// Pointers that own one object. Two std::shared_ptrs to one object become two to two objects.
template <class Pointer, class T>
struct pointer_codec {
  using parts = list<T>;
  static constexpr std::size_t min_size = 1;

  static void save(output_archive& out, const Pointer& value) {
    const level deeper(out.state().depth);
    save_flag(out, value != nullptr);
    if (!value) return;
    if constexpr (std::is_polymorphic_v<T>) {
      const T& object = *value;
      if (typeid(object) != typeid(T)) throw_sliced(typeid(T), typeid(object));
    }
    save_value<std::remove_const_t<T>>(out, *value);
  }
  static void load(input_archive& in, Pointer& value) {
    const level deeper(in.state().depth);
    value.reset();
    if (!load_flag(in)) return;
    using object = std::remove_const_t<T>;
    if constexpr (kind_of<object>() == kind::cereal && constructs_by_cereal<object>)
      value = new_by_cereal<object>(in);
    else if constexpr (made_then_loaded<object>) {
      auto made = std::make_unique<object>();
      load_value(in, *made);
      value = std::move(made);
    } else
      value = std::unique_ptr<object>(new object(make_value<object>(in)));
  }
};

template <class T, class D>
struct codec<std::unique_ptr<T, D>> : pointer_codec<std::unique_ptr<T, D>, T> {
  static constexpr impl::obstacle obstacle = std::is_array_v<T> || !std::is_same_v<D, std::default_delete<T>>
                                                 ? impl::obstacle::deleter
                                                 : impl::obstacle::none;
};
template <class T>
struct codec<std::shared_ptr<T>> : pointer_codec<std::shared_ptr<T>, T> {
  static constexpr impl::obstacle obstacle =
      std::is_array_v<T> ? impl::obstacle::deleter : impl::obstacle::none;
};

template <class R, class P>
struct codec<std::chrono::duration<R, P>> {
  using parts = list<R>;
  static constexpr std::size_t min_size = impl::min_size<R>();
  static constexpr bool flat = impl::flat<R>() && !holds_bool<R>();

  static void save(output_archive& out, const std::chrono::duration<R, P>& value) {
    save_value(out, value.count());
  }
  static void load(input_archive& in, std::chrono::duration<R, P>& value) {
    value = std::chrono::duration<R, P>(make_value<R>(in));
  }
};

template <class C, class D>
struct codec<std::chrono::time_point<C, D>> {
  using parts = list<D>;
  static constexpr std::size_t min_size = impl::min_size<D>();
  static constexpr bool flat = impl::flat<D>();

  static void save(output_archive& out, const std::chrono::time_point<C, D>& value) {
    save_value(out, value.time_since_epoch());
  }
  static void load(input_archive& in, std::chrono::time_point<C, D>& value) {
    value = std::chrono::time_point<C, D>(make_value<D>(in));
  }
};

constexpr int number_of(std::chrono::year y) noexcept { return static_cast<int>(y); }
constexpr unsigned number_of(std::chrono::month m) noexcept { return static_cast<unsigned>(m); }
constexpr unsigned number_of(std::chrono::day d) noexcept { return static_cast<unsigned>(d); }
constexpr unsigned number_of(std::chrono::weekday w) noexcept { return w.c_encoding(); }

/// What a calendar counts, as a number.
template <class T, class Number>
struct calendar_codec {
  using parts = list<Number>;
  static constexpr std::size_t min_size = sizeof(Number);

  static void save(output_archive& out, const T& value) {
    save_value(out, static_cast<Number>(number_of(value)));
  }
  static void load(input_archive& in, T& value) { value = T(make_value<Number>(in)); }
};

template <>
struct codec<std::chrono::year> : calendar_codec<std::chrono::year, std::int16_t> {};
template <>
struct codec<std::chrono::month> : calendar_codec<std::chrono::month, std::uint8_t> {};
template <>
struct codec<std::chrono::day> : calendar_codec<std::chrono::day, std::uint8_t> {};
template <>
struct codec<std::chrono::weekday> : calendar_codec<std::chrono::weekday, std::uint8_t> {};

template <>
struct codec<std::chrono::year_month_day> {
  using parts = list<std::chrono::year, std::chrono::month, std::chrono::day>;
  static constexpr std::size_t min_size = 4;

  static void save(output_archive& out, const std::chrono::year_month_day& value) {
    save_value(out, value.year());
    save_value(out, value.month());
    save_value(out, value.day());
  }
  static void load(input_archive& in, std::chrono::year_month_day& value) {
    const auto year = make_value<std::chrono::year>(in);
    const auto month = make_value<std::chrono::month>(in);
    value = std::chrono::year_month_day(year, month, make_value<std::chrono::day>(in));
  }
};

template <class T>
struct codec<std::complex<T>> {
  using parts = list<T>;
  static constexpr std::size_t min_size = 2 * impl::min_size<T>();
  static constexpr bool flat = impl::flat<T>();

  static void save(output_archive& out, const std::complex<T>& value) { out.write(&value, sizeof value); }
  static void load(input_archive& in, std::complex<T>& value) { in.read(&value, sizeof value); }
};

} // namespace coproc::wire::impl
