#pragma once

#include <coproc/detail/wire/traits.hpp>

#include <cstddef>
#include <type_traits>

/// The messages of types that can't cross. The compiler shows with them the template arguments: the type,
/// what is wrong with it, and the class that holds it with the number of the field.
namespace coproc::wire::impl {

/// A text for each obstacle: what it is, and what to do about it.
/// @tparam Type what can't cross. @tparam Where what holds it.
template <class Type, obstacle Found, class Where>
struct crosses {
  using enum obstacle;
  static_assert(Found != pointer,
                "coproc: a raw pointer can't cross to another process, whose memory is another: "
                "pass the object itself, or a std::unique_ptr to it");
  static_assert(Found != reference,
                "coproc: a reference can't cross to another process, whose memory is another: "
                "pass a value");
  static_assert(Found != function,
                "coproc: a function or a pointer to one can't cross to another process: pass "
                "coproc::target<f> where a target is expected, or a value to choose by");
  static_assert(Found != member_pointer,
                "coproc: a pointer to a member can't cross to another process: pass a value "
                "to choose by");
  static_assert(Found != view,
                "coproc: a view (string_view, span, initializer_list, reference_wrapper, weak_ptr) does not "
                "own what it "
                "shows, and can't cross to another process: pass a std::string or a std::vector");
  static_assert(Found != callable,
                "coproc: a std::function can't cross to another process: pass a value to choose by");
  static_assert(Found != c_array,
                "coproc: a C array can't cross to another process by itself: use std::array, or give "
                "the class that holds it a cereal serialize()");
  static_assert(Found != void_type,
                "coproc: there is no value of type void that could cross to another process");
  static_assert(Found != volatile_type, "coproc: a volatile object can't cross to another process");
  static_assert(Found != union_type,
                "coproc: a union can't cross to another process, as it does not say which member "
                "it holds: use std::variant");
  static_assert(Found != two_serializations,
                "coproc: this class has more than one way of cereal (serialize, load and "
                "save, member or not): choose one by cereal::specialize");
  static_assert(Found != one_direction,
                "coproc: this class has half of what cereal needs: it can be saved and not "
                "loaded, or loaded and not saved");
  static_assert(Found != no_constructor,
                "coproc: the receiver can't make an object of this class, which has no default constructor");
  static_assert(Found != not_an_aggregate,
                "coproc: this class can't cross to another process: it has constructors, "
                "private members or virtual functions, so its fields can't be "
                "listed; give it a cereal serialize()");
  static_assert(Found != base, "coproc: the fields of a class with a base can't be listed: give it a cereal "
                               "serialize(), or make the base a field");
  static_assert(Found != array_field,
                "coproc: the fields of a class that holds a C array can't be listed: use "
                "std::array, or give it a cereal serialize()");
  static_assert(Found != reference_field,
                "coproc: this class holds a reference, which can't cross to another process, "
                "whose memory is another: hold a value");
  static_assert(Found != unknown_fields,
                "coproc: the fields of this class can't be listed (references, or unions "
                "among them?): give it a cereal serialize()");
  static_assert(Found != too_many_fields,
                "coproc: the fields of a class with more than 100 of them can't be listed: "
                "give it a cereal serialize(), or group them");
  static_assert(Found != deleter,
                "coproc: a smart pointer with a deleter of its own, or to an array, can't cross to "
                "another process: use std::default_delete, or std::vector");
  static_assert(Found != comparator,
                "coproc: the comparator, the hash or the equality of this set or map has a state, which does "
                "not cross to another process (a function pointer and a std::function are states, too): use "
                "a class without data members");
  static_assert(Found != abstract,
                "coproc: an object of an abstract class can't be made by the receiver: pass a "
                "std::variant of the classes that can come");
  static constexpr bool value = true;
};

// Where it was found.
struct the_type_itself {};
template <class Holder, std::size_t FieldCountedFrom0>
struct field_of {};
template <class Container>
struct element_of {};

template <class Type, obstacle Found, class Where>
struct culprit {
  static constexpr bool found = true;
};
struct no_culprit {
  static constexpr bool found = false;
};

template <class Where, class T, class... Holders>
consteval auto find_culprit();

template <class Holder, std::size_t I, class... Holders>
consteval auto find_among(list<>) {
  return no_culprit();
}
template <class Holder, std::size_t I, class... Holders, class First, class... Others>
consteval auto find_among(list<First, Others...>) {
  using where =
      std::conditional_t<kind_of<Holder>() == kind::aggregate, field_of<Holder, I>, element_of<Holder>>;
  using found = decltype(find_culprit<where, First, Holder, Holders...>());
  if constexpr (found::found)
    return found();
  else
    return impl::find_among<Holder, I + 1, Holders...>(list<Others...>());
}

/// @returns the first culprit in T, of type culprit<...>, or no_culprit. @tparam Holders what T was found in:
/// it has been looked at if T is one of them.
template <class Where, class T, class... Holders>
consteval auto find_culprit() {
  using type = std::remove_const_t<T>;
  if constexpr (path<Holders...>::template has<type>)
    return no_culprit();
  else if constexpr (obstacle_of<type>() != obstacle::none)
    return culprit<type, obstacle_of<type>(), Where>();
  else
    return impl::find_among<type, 0, Holders...>(typename parts_of<type>::type());
}

template <class Culprit>
inline constexpr bool reported = true;
template <class Type, obstacle Found, class Where>
inline constexpr bool reported<culprit<Type, Found, Where>> = crosses<Type, Found, Where>::value;

/// An error with a text if T can't cross.
template <class T>
consteval void check_type() {
  static_assert(reported<decltype(find_culprit<the_type_itself, T>())>);
}

} // namespace coproc::wire::impl
