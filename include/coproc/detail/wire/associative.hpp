#pragma once

#include <coproc/detail/wire/length.hpp>

#include <cstddef>
#include <map>
#include <memory>
#include <set>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace coproc::wire::impl {

/// @returns what keeps a container with the functions F, for its order or its buckets, from crossing: the
/// receiver makes its own ones.
template <class... F>
consteval obstacle obstacle_of_functions() {
  if constexpr (!(std::is_empty_v<F> && ...))
    return obstacle::comparator;
  else
    return (std::is_default_constructible_v<F> && ...) ? obstacle::none : obstacle::no_constructor;
}

/// Sets and maps, ordered and not, unique and not.
template <class C, class Key, class... F>
struct set_codec {
  using parts = list<Key>;
  static constexpr impl::obstacle obstacle = obstacle_of_functions<F...>();
  static constexpr std::size_t min_size = 8;

  static void save(output_archive& out, const C& value) {
    const level deeper(out.state());
    save_length(out, value.size());
    for (const Key& each : value) impl::save_value(out, each);
  }
  static void load(input_archive& in, C& value) {
    const level deeper(in.state(), 2 * sizeof(Key));
    const std::size_t count = in.read_length(impl::min_size<Key>());
    value.clear();
    impl::reserve_some(value, count, in.left());
    for (std::size_t i = 0; i != count; ++i) value.emplace_hint(value.end(), make_value<Key>(in));
  }
};

template <class C, class Key, class Value, class... F>
struct map_codec {
  using parts = list<Key, Value>;
  static constexpr impl::obstacle obstacle = obstacle_of_functions<F...>();
  static constexpr std::size_t min_size = 8;

  static void save(output_archive& out, const C& value) {
    const level deeper(out.state());
    save_length(out, value.size());
    for (const auto& [key, mapped] : value) {
      impl::save_value(out, key);
      impl::save_value(out, mapped);
    }
  }
  static void load(input_archive& in, C& value) {
    const level deeper(in.state(), 2 * sizeof(Key) + stack_for<Value>());
    const std::size_t count = in.read_length(impl::min_size<Key>() + impl::min_size<Value>());
    value.clear();
    impl::reserve_some(value, count, in.left());
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
      impl::load_value(in, entry->second);
    else
      impl::load_value(in, *std::make_unique<Value>()); // the first one of a key stays
  }
};

template <class K, class C, class A>
struct codec<std::set<K, C, A>> : set_codec<std::set<K, C, A>, K, C> {};
template <class K, class C, class A>
struct codec<std::multiset<K, C, A>> : set_codec<std::multiset<K, C, A>, K, C> {};
template <class K, class H, class E, class A>
struct codec<std::unordered_set<K, H, E, A>> : set_codec<std::unordered_set<K, H, E, A>, K, H, E> {};
template <class K, class H, class E, class A>
struct codec<std::unordered_multiset<K, H, E, A>> : set_codec<std::unordered_multiset<K, H, E, A>, K, H, E> {
};
template <class K, class V, class C, class A>
struct codec<std::map<K, V, C, A>> : map_codec<std::map<K, V, C, A>, K, V, C> {};
template <class K, class V, class C, class A>
struct codec<std::multimap<K, V, C, A>> : map_codec<std::multimap<K, V, C, A>, K, V, C> {};
template <class K, class V, class H, class E, class A>
struct codec<std::unordered_map<K, V, H, E, A>> : map_codec<std::unordered_map<K, V, H, E, A>, K, V, H, E> {};
template <class K, class V, class H, class E, class A>
struct codec<std::unordered_multimap<K, V, H, E, A>>
    : map_codec<std::unordered_multimap<K, V, H, E, A>, K, V, H, E> {};

} // namespace coproc::wire::impl
