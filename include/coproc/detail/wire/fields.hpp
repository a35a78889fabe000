#pragma once

#include <boost/pfr/core.hpp>

#include <array>
#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

/// The fields of aggregates. Boost.PFR reads them; what it can't read is found out first, because it says so
/// in its own words, or the compiler's.
namespace coproc::wire::impl {

/// What PFR can take apart.
inline constexpr std::size_t max_fields = 100;

struct nothing {};

/// Becomes any object. In the one form, that of an lvalue, it becomes what can be copied, in the other what
/// can be moved. (clang needs no other, and would compile the copying of a vector, which says that it can be
/// copied whatever it holds.)
struct any_lvalue {
  std::size_t ignored;
  template <class T>
  operator T&() const&& noexcept;
  template <class T>
  operator T&() const& noexcept;
};
struct any_rvalue {
  std::size_t ignored;
  template <class T>
  operator T() const&& noexcept;
};

#ifdef __clang__
template <class T>
using any_field = any_rvalue;
#else
template <class T>
using any_field = std::conditional_t<std::is_copy_constructible_v<T>, any_lvalue, any_rvalue>;
#endif

/// Becomes a base of T, and nothing else.
template <class T>
struct any_base {
  template <class Base>
  requires(std::is_base_of_v<Base, T> && !std::is_same_v<Base, T>) operator Base() const noexcept;
};

template <class T>
concept has_base = requires {
  T{any_base<T>{}};
}
&&!requires { T{nothing{}}; };

/// Braces let an initializer pass through to the elements of a C array, parentheses don't.
template <class T, class Any, std::size_t... I>
auto in_braces(std::index_sequence<I...>) -> decltype(T{Any{I}...});
template <class T, class Any, std::size_t... I>
auto in_parentheses(std::index_sequence<I...>) -> decltype(T(Any{I}...));

template <class T, std::size_t N>
concept takes_in_braces = requires {
  in_braces<T, any_field<T>>(std::make_index_sequence<N>());
};
template <class T, class Any, std::size_t N>
concept takes_in_parentheses = requires {
  in_parentheses<T, Any>(std::make_index_sequence<N>());
};

/// @returns how many initializers T takes; more than max_fields + 1 are not counted.
template <class T, std::size_t Count = 1, std::size_t Most = 0>
consteval std::size_t count_initializers() {
  constexpr bool taken = takes_in_braces<T, Count>;
  constexpr std::size_t most = taken ? Count : Most;
  // Without a default constructor of each field, fewer initializers than fields are none.
  if constexpr (Count > max_fields || (!taken && requires { T{}; }))
    return most;
  else
    return count_initializers<T, Count + 1, most>();
}

template <class T, bool = std::is_empty_v<T>>
inline constexpr std::size_t initializers = count_initializers<T>();
template <class T>
inline constexpr std::size_t initializers<T, true> = 0;

/// Each initializer is for a field, and none for an element of one.
template <class T>
concept has_no_array = takes_in_parentheses<T, any_rvalue, initializers<T>> ||
    takes_in_parentheses<T, any_lvalue, initializers<T>>;

/// @returns references to the fields. PFR is told how many there are: its own way of counting crashes g++ 12
/// at a std::array of anything that is not trivial, and compiles no std::optional or std::tuple of what can
/// only be moved.
template <class T, std::size_t... I>
constexpr auto tie_fields(T& value, std::index_sequence<I...>) noexcept {
  namespace pfr = boost::pfr::detail;
  [[maybe_unused]] const auto all = pfr::tie_as_tuple(value, pfr::size_t_<sizeof...(I)>());
  return std::tie(pfr::sequence_tuple::get<I>(all)...);
}
template <class T>
constexpr auto tie_fields(T& value) noexcept {
  return impl::tie_fields(value, std::make_index_sequence<initializers<std::remove_cv_t<T>>>());
}

/// The fields' types, const included.
template <class T>
using tied = decltype(impl::tie_fields(std::declval<T&>()));
template <class T, std::size_t I>
using field = std::remove_reference_t<std::tuple_element_t<I, tied<T>>>;

/// A field of a volatile object is volatile, what a reference in it refers to is not.
template <class T, std::size_t... I>
consteval bool holds_references(std::index_sequence<I...>) {
  using in_volatile = decltype(impl::tie_fields(std::declval<const volatile T&>()));
  return (!std::is_volatile_v<std::remove_reference_t<std::tuple_element_t<I, in_volatile>>> || ...);
}

/// The types of T's fields, as a list. @tparam T an aggregate that can be taken apart.
template <class... T>
struct list {};

template <class T, std::size_t... I>
auto list_fields(std::index_sequence<I...>) -> list<field<T, I>...>;
template <class T>
using fields = decltype(list_fields<T>(std::make_index_sequence<initializers<T>>()));

/// Calls @p f for a reference to each field, first to last.
template <class T, class F>
void for_each_field(T& value, const F& f) {
  if constexpr (!std::is_empty_v<T>)
    std::apply([&](auto&... each) { (f(each), ...); }, impl::tie_fields(value));
}

} // namespace coproc::wire::impl
