#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>

namespace coproc::detail {

/// The parts of a function type.
template <class Function>
struct function_parts {
  static constexpr bool known = false;
};
template <class R, class... P>
struct function_parts<R (*)(P...)> {
  static constexpr bool known = true;
  using result = R;
  using parameters = std::tuple<P...>;
};
template <class R, class... P>
struct function_parts<R (*)(P...) noexcept> : function_parts<R (*)(P...)> {};

template <class Operator>
struct call_operator : function_parts<Operator> {}; // a static one has the type of a function
template <class C, class R, class... P>
struct call_operator<R (C::*)(P...) const> : function_parts<R (*)(P...)> {};
template <class C, class R, class... P>
struct call_operator<R (C::*)(P...) const noexcept> : function_parts<R (*)(P...)> {};
template <class C, class R, class... P>
struct call_operator<R (C::*)(P...)> : function_parts<R (*)(P...)> {};
template <class C, class R, class... P>
struct call_operator<R (C::*)(P...) noexcept> : function_parts<R (*)(P...)> {};

template <class Target>
struct target_parts : function_parts<Target> {};
template <class Target>
requires std::is_class_v<Target> && requires { &Target::operator(); }
struct target_parts<Target> : call_operator<decltype(&Target::operator())> {};

/// What a coroutine gives when it is awaited; other types as they are.
template <class T>
struct awaited {
  using type = T;
  static constexpr bool is_coroutine = false;
};
template <class T, class Executor>
struct awaited<asio::awaitable<T, Executor>> {
  static_assert(
      std::is_same_v<Executor, asio::any_io_executor>,
      "target: a coroutine has to return asio::awaitable<R>, with its default executor, as it runs on an "
      "io_context of the other process");
  static_assert(!std::is_reference_v<T>,
                "target: a coroutine returns a reference; memory is not shared: return a value");
  using type = T;
  static constexpr bool is_coroutine = true;
};

template <auto Fn>
struct target_traits : target_parts<std::remove_cv_t<decltype(Fn)>> {
  using base = target_parts<std::remove_cv_t<decltype(Fn)>>;
  static_assert(base::known,
                "target: this is no function, static member function or captureless lambda with one "
                "signature; generic lambdas and overload sets are not targets: pick one with a cast");
};

/// What running the target gives: its own result, or that of its coroutine.
template <auto Fn>
using target_result = std::decay_t<typename awaited<typename target_traits<Fn>::result>::type>;

/// @returns the function's name, as the compiler writes it, for messages.
template <auto Fn>
std::string target_name() {
  std::string_view text = __PRETTY_FUNCTION__;
  std::size_t from = text.find("Fn = ");
  if (from == std::string_view::npos) return std::string(text);
  from += 5;
  // "... [with auto Fn = work; std::string = ...]", clang: "... [Fn = &work]"
  std::size_t depth = 0, to = from;
  for (; to != text.size(); ++to) {
    char c = text[to];
    if (c == '(' || c == '<' || c == '{' || c == '[') ++depth;
    if (c == ')' || c == '>' || c == '}' || c == ']') {
      if (depth == 0) break;
      --depth;
    }
    if (c == ';' && depth == 0) break;
  }
  if (from < to && text[from] == '&') ++from;
  return std::string(text.substr(from, to - from));
}

} // namespace coproc::detail
