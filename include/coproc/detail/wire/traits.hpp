#pragma once

#include <coproc/detail/wire/fields.hpp>

#include <cereal/cereal.hpp>

#include <array>
#include <chrono>
#include <complex>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>

namespace coproc::detail {

/// Specialised as true for the library's handles: classes with members `save` and `load` for the two archives
/// of coproc::wire, which move descriptors.
template <class T>
inline constexpr bool is_handle = false;

} // namespace coproc::detail

namespace coproc::wire {

class output_archive;
class input_archive;

} // namespace coproc::wire

namespace coproc::wire::impl {

/// How a type of the standard library is written; specialised in standard.hpp. Members:
/// `parts`, a list of the types whose objects are in it; `min_size`, the fewest bytes it takes;
/// `save(output_archive&, const T&)`; `load(input_archive&, T&)`; and `make(input_archive&)`, where there is
/// a way without a default constructor.
template <class T>
struct codec;

template <class T>
concept has_codec = requires {
  typename codec<T>::parts;
};

/// Why a type can't cross, whatever is in it.
enum class obstacle {
  none,
  pointer,
  reference,
  function,
  member_pointer,
  view,
  callable,
  c_array,
  void_type,
  volatile_type,
  union_type,
  two_serializations,
  one_direction,
  no_constructor,
  not_an_aggregate,
  base,
  array_field,
  reference_field,
  unknown_fields,
  too_many_fields,
  deleter,
  comparator,
  abstract,
};

/// How a type is written.
enum class kind { none, scalar, handle, standard, cereal, aggregate };

template <class T>
concept scalar = std::is_arithmetic_v<T> || std::is_enum_v<T>;

template <class T>
inline constexpr bool is_view = false;
template <class C, class T>
inline constexpr bool is_view<std::basic_string_view<C, T>> = true;
template <class T, std::size_t N>
inline constexpr bool is_view<std::span<T, N>> = true;
template <class T>
inline constexpr bool is_view<std::reference_wrapper<T>> = true;
template <class T>
inline constexpr bool is_view<std::initializer_list<T>> = true;
template <class T>
inline constexpr bool is_view<std::weak_ptr<T>> = true;

template <class T>
inline constexpr bool is_callable = false;
template <class T>
inline constexpr bool is_callable<std::function<T>> = true;

// How many ways cereal has for a class, in each direction.
template <class T>
inline constexpr int cereal_outputs =
    cereal::traits::detail::count_output_serializers<T, output_archive>::value;
template <class T>
inline constexpr int cereal_inputs = cereal::traits::detail::count_input_serializers<T, input_archive>::value;

template <class T>
inline constexpr bool constructs_by_cereal = cereal::traits::has_load_and_construct<T, input_archive>::value;

template <class T>
consteval kind kind_of() {
  if constexpr (scalar<T>)
    return kind::scalar;
  else if constexpr (!std::is_class_v<T>)
    return kind::none;
  else if constexpr (coproc::detail::is_handle<T>)
    return kind::handle;
  else if constexpr (has_codec<T>)
    return kind::standard;
  else if constexpr (is_view<T> || is_callable<T>)
    return kind::none;
  else if constexpr (cereal_outputs<T> > 0 || cereal_inputs<T> > 0)
    return kind::cereal;
  else if constexpr (std::is_aggregate_v<T>)
    return kind::aggregate;
  else
    return kind::none;
}

template <class T>
consteval obstacle aggregate_obstacle() {
  if constexpr (std::is_empty_v<T> && !has_base<T>)
    return obstacle::none;
  else if constexpr (has_base<T>)
    return obstacle::base;
  else if constexpr (initializers<T> == 0)
    return obstacle::unknown_fields;
  else if constexpr (initializers<T> > max_fields)
    return obstacle::too_many_fields;
  else if constexpr (!has_no_array<T>)
    return obstacle::array_field;
  else if constexpr (holds_references<T>(std::make_index_sequence<initializers<T>>()))
    return obstacle::reference_field;
  else
    return obstacle::none;
}

// Whether there is a default constructor can't be told: it may be private, with cereal::access for a friend.
template <class T>
consteval obstacle cereal_obstacle() {
  using namespace cereal::traits;
  if constexpr (cereal_outputs<T> == 0 || cereal_inputs<T> == 0)
    return constructs_by_cereal<T> && cereal_outputs<T> != 0 ? obstacle::none : obstacle::one_direction;
  else if constexpr (!is_output_serializable<T, output_archive>::value ||
                     !is_input_serializable<T, input_archive>::value)
    return obstacle::two_serializations;
  else if constexpr (std::is_abstract_v<T>)
    return obstacle::abstract;
  else
    return obstacle::none;
}

/// What keeps T itself from crossing; that of its parts is another matter.
template <class T>
consteval obstacle obstacle_of() {
  if constexpr (std::is_reference_v<T>)
    return obstacle::reference;
  else if constexpr (std::is_void_v<T>)
    return obstacle::void_type;
  else if constexpr (std::is_function_v<T>)
    return obstacle::function;
  else if constexpr (std::is_pointer_v<T> || std::is_null_pointer_v<T>)
    return std::is_function_v<std::remove_pointer_t<T>> ? obstacle::function : obstacle::pointer;
  else if constexpr (std::is_member_pointer_v<T>)
    return obstacle::member_pointer;
  else if constexpr (std::is_array_v<T>)
    return obstacle::c_array;
  else if constexpr (std::is_volatile_v<T>)
    return obstacle::volatile_type;
  else if constexpr (std::is_union_v<T>)
    return obstacle::union_type;
  else if constexpr (is_view<T>)
    return obstacle::view;
  else if constexpr (is_callable<T>)
    return obstacle::callable;
  else if constexpr (kind_of<T>() == kind::cereal)
    return cereal_obstacle<T>();
  else if constexpr (kind_of<T>() == kind::aggregate)
    return aggregate_obstacle<T>();
  else if constexpr (kind_of<T>() == kind::standard) {
    if constexpr (requires { codec<T>::obstacle; })
      return codec<T>::obstacle;
    else if constexpr (!std::is_default_constructible_v<T> && !requires { &codec<T>::make; })
      return obstacle::no_constructor;
    else
      return obstacle::none;
  } else
    return kind_of<T>() == kind::none ? obstacle::not_an_aggregate : obstacle::none;
}

/// The types whose objects are in a T; those of a class with functions of its own are not known.
template <class T, kind = kind_of<T>()>
struct parts_of {
  using type = list<>;
};
template <class T>
struct parts_of<T, kind::standard> {
  using type = typename codec<T>::parts;
};
template <class T>
struct parts_of<T, kind::aggregate> {
  using type = fields<T>;
};

/// Those that have been met on the way from the outermost type: a type that holds itself has been looked at.
template <class... T>
struct path {
  template <class U>
  static constexpr bool has = (std::is_same_v<T, U> || ...);
};

enum class handles { allowed, refused };

template <handles Handles, class T, class... Holders>
consteval bool can_cross() {
  using type = std::remove_const_t<T>;
  if constexpr (path<Holders...>::template has<type>)
    return true;
  else if constexpr (obstacle_of<type>() != obstacle::none ||
                     (Handles == handles::refused && coproc::detail::is_handle<type>))
    return false;
  else
    return []<class... Parts>(list<Parts...>) {
      return (can_cross<Handles, Parts, type, Holders...>() && ...);
    }(typename parts_of<type>::type());
}

template <class T>
consteval bool flat();
template <class T>
consteval bool holds_bool();

template <class T>
struct flat_parts : parts_of<T> {};

template <class T>
consteval bool flat() {
  if constexpr (scalar<T>)
    return true;
  else if constexpr (!std::is_class_v<T> || !std::is_trivially_copyable_v<T>)
    return false;
  else if constexpr (kind_of<T>() == kind::standard) {
    if constexpr (requires { codec<T>::flat; })
      return codec<T>::flat;
    else
      return false;
  } else if constexpr (kind_of<T>() == kind::aggregate && !std::is_empty_v<T>) {
    if constexpr (aggregate_obstacle<T>() != obstacle::none)
      return false;
    else
      return []<class... Parts>(list<Parts...>) {
        return (flat<std::remove_const_t<Parts>>() && ...);
      }(fields<T>());
  } else
    return false;
}

/// @returns whether a T is one of the scalars that are 0 or 1: a bool, or an enum of them.
template <class T>
consteval bool is_bool() {
  if constexpr (std::is_enum_v<T>)
    return std::is_same_v<std::underlying_type_t<T>, bool>;
  else
    return std::is_same_v<T, bool>;
}

/// @returns whether a T, which is flat, has bits that not every value of a byte is good for.
template <class T>
consteval bool holds_bool() {
  if constexpr (is_bool<T>())
    return true;
  else if constexpr (scalar<T>)
    return false;
  else
    return []<class... Parts>(list<Parts...>) {
      return (holds_bool<std::remove_const_t<Parts>>() || ...);
    }(typename parts_of<T>::type());
}

/// @returns whether any bytes of its size are a T, and may be copied over one: const fields can't be.
template <class T>
consteval bool takes_any_bytes() {
  if constexpr (!flat<T>())
    return false;
  else
    return !holds_bool<T>() && std::is_default_constructible_v<T> && std::is_copy_assignable_v<T>;
}

} // namespace coproc::wire::impl
