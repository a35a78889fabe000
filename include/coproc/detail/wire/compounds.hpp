#pragma once

#include <coproc/detail/wire/value.hpp>

#include <complex>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <variant>

namespace coproc::wire::impl {

template <class Tuple, class... T>
struct tuple_codec {
  using parts = list<T...>;
  static constexpr std::size_t min_size = sizeof...(T) == 0 ? 1 : (impl::min_size<T>() + ... + 0);
  static constexpr bool in_place = (impl::in_place<T>() && ...);

  static void save(output_archive& out, const Tuple& value) {
    if constexpr (sizeof...(T) == 0) out.write("", 1);
    std::apply([&](const auto&... each) { (impl::save_value(out, each), ...); }, value);
  }
  static void load(input_archive& in, Tuple& value) {
    if constexpr (sizeof...(T) == 0) in.skip(1);
    std::apply([&](auto&... each) { (impl::load_value(in, each), ...); }, value);
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
    if (value) impl::save_value<std::remove_const_t<T>>(out, *value);
  }
  static void load(input_archive& in, std::optional<T>& value) {
    value.reset();
    if (!load_flag(in)) return;
    if constexpr (made_then_loaded<T>)
      impl::load_value(in, value.emplace());
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
    std::visit([&](const auto& held) { impl::save_value(out, held); }, value);
  }
  static void load(input_archive& in, type& value) {
    load_as(in, [&]<std::size_t I>() -> decltype(auto) {
      if constexpr (made_then_loaded<std::variant_alternative_t<I, type>>)
        impl::load_value(in, value.template emplace<I>());
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
    const level deeper(out.state());
    save_flag(out, value != nullptr);
    if (!value) return;
    if constexpr (std::is_polymorphic_v<T>) {
      const T& object = *value;
      if (typeid(object) != typeid(T)) throw_sliced(typeid(T), typeid(object));
    }
    impl::save_value<std::remove_const_t<T>>(out, *value);
  }
  static void load(input_archive& in, Pointer& value) {
    const level deeper(in.state(), stack_for<std::remove_const_t<T>>());
    value.reset();
    if (!load_flag(in)) return;
    using object = std::remove_const_t<T>;
    if constexpr (kind_of<object>() == kind::cereal && constructs_by_cereal<object>)
      value = new_by_cereal<object>(in);
    else if constexpr (made_then_loaded<object>) {
      auto made = std::make_unique<object>();
      impl::load_value(in, *made);
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

template <class T>
struct codec<std::complex<T>> {
  using parts = list<T>;
  static constexpr std::size_t min_size = 2 * impl::min_size<T>();
  static constexpr bool flat = impl::flat<T>();

  static void save(output_archive& out, const std::complex<T>& value) { out.write(&value, sizeof value); }
  static void load(input_archive& in, std::complex<T>& value) { in.read(&value, sizeof value); }
};

} // namespace coproc::wire::impl
