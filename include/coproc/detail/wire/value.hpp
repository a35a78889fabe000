#pragma once

#include <coproc/detail/wire/by_cereal.hpp>

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <memory>
#include <type_traits>
#include <utility>

/// How one value of any kind is written and read.
namespace coproc::wire::impl {

/// The fewest bytes that a T takes: at least 1, so that a length of elements can be checked against the bytes
/// that are left.
template <class T>
consteval std::size_t min_size() {
  using type = std::remove_const_t<T>;
  if constexpr (flat<type>())
    return sizeof(type);
  else if constexpr (kind_of<type>() == kind::standard)
    return codec<type>::min_size;
  else if constexpr (kind_of<type>() == kind::aggregate && !std::is_empty_v<type>)
    return []<class... Parts>(list<Parts...>) { return (min_size<Parts>() + ...); }(fields<type>());
  else
    return 1;
}

/// A handle that is made of what came: to make one first, to be replaced, would be to make what it is a
/// handle of.
template <class T>
concept arriving = kind_of<T>()
== kind::handle&& requires(input_archive& in) {
  { T::arrive(in) } -> std::same_as<T>;
};

/// @returns whether a T can be made first and loaded into then.
template <class T>
consteval bool in_place() {
  if constexpr (std::is_const_v<T>)
    return false;
  else if constexpr (kind_of<T>() == kind::aggregate)
    return []<class... Parts>(list<Parts...>) { return (in_place<Parts>() && ...); }(fields<T>());
  else if constexpr (kind_of<T>() == kind::standard) {
    if constexpr (requires { codec<T>::in_place; })
      return codec<T>::in_place;
    else
      return true;
  } else if constexpr (kind_of<T>() == kind::cereal)
    return !constructs_by_cereal<T>;
  else
    return !arriving<T>;
}

template <class T>
inline constexpr bool made_then_loaded = std::is_default_constructible_v<T>&& in_place<T>();

/// @returns what a level of a container keeps on the stack while an element is made and moved to its place.
template <class T>
consteval std::size_t stack_for() {
  return made_then_loaded<T> ? 0 : 2 * sizeof(T);
}

/// A bool is 0 or 1: any other byte in its place is undefined behaviour as soon as it is looked at.
template <class T>
void check_bools(const T& value) {
  if constexpr (is_bool<T>()) {
    unsigned char byte = 0;
    std::memcpy(&byte, &value, 1);
    if (byte > 1) throw_unexpected("a bool (0 or 1)", byte);
  } else if constexpr (!holds_bool<T>())
    return;
  else if constexpr (kind_of<T>() == kind::aggregate)
    impl::for_each_field(value, [](const auto& each) { impl::check_bools(each); });
  else
    for (const auto& each : value) // a std::array
      impl::check_bools(each);
}

/// Small ones without what happens to be in their padding, for the sake of memory checkers: they would see
/// something written that was never set. (clang 19 can't tell where padding is, g++ 12 not in every struct.)
template <class T>
void save_flat(output_archive& out, const T& value) {
#if __has_builtin(__builtin_clear_padding)
  if constexpr (!std::has_unique_object_representations_v<T> && sizeof(T) <= 256) {
    T clean(value);
    __builtin_clear_padding(std::addressof(clean));
    return out.write(std::addressof(clean), sizeof clean);
  }
#endif
  out.write(std::addressof(value), sizeof value);
}

template <class T>
void save_value(output_archive& out, const T& value) {
  if constexpr (flat<T>())
    impl::save_flat(out, value);
  else if constexpr (kind_of<T>() == kind::standard)
    codec<T>::save(out, value);
  else if constexpr (kind_of<T>() == kind::handle)
    cereal::access::member_save(out, value);
  else if constexpr (kind_of<T>() == kind::cereal)
    impl::save_by_cereal(out, value);
  else if constexpr (std::is_empty_v<T>)
    out.write("", 1);
  else
    impl::for_each_field(
        value, [&](const auto& each) { impl::save_value<std::remove_cvref_t<decltype(each)>>(out, each); });
}

template <class T>
void load_value(input_archive& in, T& value) {
  if constexpr (std::is_const_v<T>)
    static_assert(!std::is_const_v<T>, "coproc: a const object or field can't be loaded into");
  else if constexpr (flat<T>()) {
    in.read(static_cast<void*>(std::addressof(value)), sizeof value);
    impl::check_bools(value);
  } else if constexpr (kind_of<T>() == kind::standard)
    codec<T>::load(in, value);
  else if constexpr (kind_of<T>() == kind::handle)
    cereal::access::member_load(in, value);
  else if constexpr (kind_of<T>() == kind::cereal)
    impl::load_by_cereal(in, value);
  else if constexpr (std::is_empty_v<T>)
    in.skip(1);
  else
    impl::for_each_field(value, [&](auto& each) { impl::load_value(in, each); });
}

/// For what was copied as plain memory: with its padding, so that its fields can't be read one by one.
template <class T>
T make_flat(input_archive& in) {
  std::array<std::byte, sizeof(T)> bytes;
  in.read(bytes.data(), bytes.size());
  T value = std::bit_cast<T>(bytes);
  impl::check_bools(value);
  return value;
}

template <class T, class... Parts>
T make_aggregate(input_archive& in, list<Parts...>) {
  return T{make_value<std::remove_const_t<Parts>>(in)...}; // first to last: braces have an order
}

/// For what has no default constructor, or const fields, too.
template <class T>
T make_value(input_archive& in) {
  if constexpr (kind_of<T>() == kind::cereal)
    return make_by_cereal<T>(in);
  else if constexpr (arriving<T>)
    return T::arrive(in);
  else if constexpr (made_then_loaded<T>) {
    T value{};
    impl::load_value(in, value);
    return value;
  } else if constexpr (flat<T>())
    return make_flat<T>(in);
  else if constexpr (kind_of<T>() == kind::aggregate)
    return impl::make_aggregate<T>(in, fields<T>());
  else
    return codec<T>::make(in);
}

} // namespace coproc::wire::impl
