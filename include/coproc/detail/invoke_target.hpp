#pragma once

#include <coproc/detail/process_core.hpp>
#include <coproc/detail/target_traits.hpp>
#include <coproc/wire.hpp>

#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace coproc::detail {

template <class R>
asio::awaitable<void> keep_result(asio::awaitable<R> operation, std::optional<R>& result) {
  result.emplace(co_await std::move(operation));
}

/// Calls @p function with @p arguments, runs it to its end if it is a coroutine, and encodes what it gives.
template <class Function, class Tuple>
void call_and_encode(Function&& function, Tuple& arguments, message& result) {
  auto call = [&]() -> decltype(auto) {
    return std::apply(
        [&](auto&... argument) -> decltype(auto) {
          return function(static_cast<std::decay_t<decltype(argument)>&&>(argument)...);
        },
        arguments);
  };
  using returned = decltype(call());
  using value = typename awaited<std::decay_t<returned>>::type;
  if constexpr (awaited<std::decay_t<returned>>::is_coroutine) {
    if constexpr (std::is_void_v<value>) {
      detail::run_to_end(call());
    } else {
      std::optional<value> kept;
      detail::run_to_end(detail::keep_result<value>(call(), kept));
      wire::encode(result, *kept);
    }
  } else if constexpr (std::is_void_v<value>) {
    call();
  } else {
    wire::encode(result, static_cast<const std::decay_t<value>&>(call()));
  }
}

/// @throws wire::error if bytes are left over.
void require_end(std::span<const std::byte> rest);

template <class Parameter>
constexpr void check_parameter() {
  static_assert(!std::is_lvalue_reference_v<Parameter> || std::is_const_v<std::remove_reference_t<Parameter>>,
                "target: a parameter is a non-const reference; memory is not shared, so what the function "
                "changes there would be lost: return it instead");
  static_assert(std::is_move_constructible_v<std::decay_t<Parameter>>,
                "target: an object of a parameter's class can't be moved: pass a std::unique_ptr to it");
  wire::check<std::decay_t<Parameter>>();
}

/// Whether encode_as<T>() takes an A. What has the type already is encoded where it is, and need not be
/// copyable.
template <class A, class T>
inline constexpr bool is_encodable_as =
    std::is_same_v<std::remove_cvref_t<A>, T> || std::is_convertible_v<A&&, T>;

/// Adds @p argument, converted to the parameter's type T where it has another.
template <class T, class A>
void encode_as(message& to, A&& argument) {
  if constexpr (std::is_same_v<std::remove_cvref_t<A>, T>) {
    wire::encode(to, static_cast<const T&>(argument)); // as it is: no copy of a large one
  } else if constexpr (std::is_arithmetic_v<std::remove_cvref_t<A>> && std::is_arithmetic_v<T>) {
    // A literal that fits is an int like any other here: no warning about it in the user's build.
    wire::encode(to, static_cast<T>(argument));
  } else {
    const T converted = std::forward<A>(argument);
    wire::encode(to, converted);
  }
}

template <auto Fn, class Parameters = typename target_traits<Fn>::parameters>
struct target_runner;

template <auto Fn, class... P>
struct target_runner<Fn, std::tuple<P...>> {
  /// The entry_point of Fn: what its address stands for in every process.
  static void run(std::span<const std::byte> bytes, message& from, message& result) {
    if constexpr ((std::is_move_constructible_v<std::decay_t<P>> && ...)) { // check_parameter() has said it
      // Braces, so that they are decoded in their order.
      std::tuple<std::decay_t<P>...> arguments{wire::decode<std::decay_t<P>>(bytes, &from)...};
      require_end(bytes);
      detail::call_and_encode(Fn, arguments, result);
    }
  }

  template <class... A>
  static target_call make_call(A&&... arguments) {
    (check_parameter<P>(), ...);
    if constexpr (!std::is_void_v<target_result<Fn>>) wire::check<target_result<Fn>>();
    static_assert(sizeof...(A) == sizeof...(P),
                  "target: the number of arguments is not that of the parameters");
    target_call call;
    if constexpr (sizeof...(A) == sizeof...(P)) {
      static_assert((is_encodable_as<A, std::decay_t<P>> && ...),
                    "target: an argument does not convert to the type of its parameter");
      call = begin_call(&target_runner::run, target_name<Fn>());
      (detail::encode_as<std::decay_t<P>>(call.encoded, std::forward<A>(arguments)), ...);
    }
    return call;
  }
};

/// A call of Fn with @p arguments, which are encoded here and now. Compile errors say what is wrong with
/// them.
template <auto Fn, class... A>
target_call make_call(A&&... arguments) {
  return target_runner<Fn>::make_call(std::forward<A>(arguments)...);
}

/// A call of a callable that only a fork of this process can run.
template <class Function>
target_call make_fork_call(Function function) {
  target_call call;
  call.function = "the callable of fork_target";
  // std::function wants to copy; a shared pointer lets it be move-only.
  auto kept = std::make_shared<Function>(std::move(function));
  call.closure = [kept](message& result) {
    std::tuple<> none;
    detail::call_and_encode(*kept, none, result);
  };
  return call;
}

} // namespace coproc::detail
