#pragma once

#include <coproc/detail/target_traits.hpp>

namespace coproc {

/// The type of target<Fn>.
template <auto Fn>
struct target_t {};

/// Names a function that is to run in another process: `process p{target<count_words>, "file.txt"}`.
///
/// @tparam Fn a function, a static member function, or a lambda without captures; an instantiation of a
/// template or one of several overloads is picked by a cast: `target<static_cast<int (*)(int)>(f)>`. It needs
/// no registration: it crosses as its place in the executable or shared library, which the other process has
/// loaded as well.
///
/// It may be a coroutine that returns `asio::awaitable<R>`: it runs on an io_context of its own there, until
/// it returns; what it leaves running ends with it. If it can't return, since it has stopped that io_context
/// or awaits what nobody will complete, that is an error, as if it had thrown one. Its parameters are values,
/// const references or rvalue references of types that can cross (see `coproc::wire`), and each gets an
/// argument: defaults are not part of a function's type. Its result is a value, or nothing.
template <auto Fn>
inline constexpr target_t<Fn> target{};

/// The type of fork_target.
struct fork_target_t {};

/// In place of a target, for start_method::fork alone: any callable follows, captures included.
inline constexpr fork_target_t fork_target{};

} // namespace coproc
