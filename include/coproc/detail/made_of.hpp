#pragma once

#include <utility>

namespace coproc::detail {

// An aggregate may be given fewer values than it has members, and it is the user who decides on that: no
// warning about it belongs here.
#ifdef __GNUC__
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#endif

/// @returns a T of @p args.
template <class T, class... Args>
constexpr T made_of(Args&&... args) {
  return T(std::forward<Args>(args)...);
}

#ifdef __GNUC__
#pragma GCC diagnostic pop
#endif

} // namespace coproc::detail
