#pragma once

#include <coproc/detail/invoke_target.hpp>
#include <coproc/detail/message.hpp>
#include <coproc/detail/target_traits.hpp>
#include <coproc/target.hpp>
#include <coproc/wire.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

namespace coproc::detail {

/// Runs one item in a worker: decodes the arguments, calls the target, and encodes its result.
using pool_entry = void (*)(std::span<const std::byte> bytes, message& from, message& result);

/// How encoded items follow each other.
struct item_layout {
  std::uint32_t item_size = 0; ///< Each of them has so many bytes; 0: there is one, or they are sized.
  bool sized = false;          ///< Behind them is the size of each, and their number: std::uint64_t.
};

/// A target, as the pool knows it.
struct pool_target {
  pool_entry entry = nullptr;
  std::string (*name)() = nullptr; ///< For messages.
};

template <auto Fn, class Parameters = typename target_traits<Fn>::parameters>
struct pool_runner;

template <auto Fn, class... P>
struct pool_runner<Fn, std::tuple<P...>> {
  static constexpr std::size_t arity = sizeof...(P);

  /// Of the arguments of several calls, one after the other.
  static constexpr item_layout layout() {
    item_layout made;
    if constexpr ((wire::is_flat<std::decay_t<P>> && ...))
      made.item_size = (std::uint32_t(sizeof(std::decay_t<P>)) + ... + 0u);
    else
      made.sized = true;
    return made;
  }

  template <class... A>
  static consteval void check() {
    (check_parameter<P>(), ...);
    if constexpr (!std::is_void_v<target_result<Fn>>) wire::check<target_result<Fn>>();
    static_assert(sizeof...(A) == sizeof...(P),
                  "pool: the number of arguments is not that of the target's parameters");
    if constexpr (sizeof...(A) == sizeof...(P))
      static_assert((is_encodable_as<A, std::decay_t<P>> && ...),
                    "pool: an argument does not convert to the type of its parameter");
  }

  /// Adds the arguments of one item.
  template <class... A>
  static void encode(message& to, A&&... arguments) {
    (detail::encode_as<std::decay_t<P>>(to, std::forward<A>(arguments)), ...);
  }
};

template <auto Fn>
pool_target pool_target_of() {
  return {&target_runner<Fn>::run, &target_name<Fn>};
}

} // namespace coproc::detail
