#pragma once

#include <coproc/detail/wire/traits.hpp>

#include <cstddef>
#include <type_traits>

/// The messages of types that can't cross. The compiler shows with them the instantiations that led there:
/// the type, and the chain of fields that it was found by.
namespace coproc::wire::impl {

// A text for each obstacle: what it is, and what to do about it.
template <class Type, obstacle Found>
consteval bool cross() {
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
                "coproc: a view (string_view, span, initializer_list, reference_wrapper) does not own "
                "what it shows, and can't cross to another process: pass a std::string or a "
                "std::vector");
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
                "coproc: this class has a cereal serialize(), but no default constructor: "
                "give it one (private is fine, with friend class cereal::access), or a static "
                "load_and_construct()");
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
  static_assert(Found != abstract,
                "coproc: an object of an abstract class can't be made by the receiver: pass a "
                "std::variant of the classes that can come");
  return true;
}

template <class Type, class Path>
consteval bool type_crosses();

/// @tparam Holder what has a Type as its field number Field, or, if it is a container, as its template
/// argument.
template <class Holder, std::size_t Field, class Type, class Path>
consteval bool field_crosses() {
  return type_crosses<Type, Path>();
}

template <class Type, class... Holders, class... Parts, std::size_t... I>
consteval void fields_cross(path<Holders...>, list<Parts...>, std::index_sequence<I...>) {
  (static_cast<void>(field_crosses<Type, I, std::remove_const_t<Parts>, path<Holders..., Type>>()), ...);
}

template <class Type, class Path>
consteval bool type_crosses() {
  if constexpr (!Path::template has<Type>) {
    static_cast<void>(cross<Type, obstacle_of<Type>()>());
    if constexpr (obstacle_of<Type>() == obstacle::none)
      []<class... Parts>(list<Parts...> parts) {
        fields_cross<Type>(Path(), parts, std::index_sequence_for<Parts...>());
      }(typename parts_of<Type>::type());
  }
  return true;
}

} // namespace coproc::wire::impl
