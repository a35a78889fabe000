#pragma once

#include <vector>

namespace coproc::test {

/// A vector: g++ 12 to 14 take no std::initializer_list in a co_await expression.
template <class T, class... U>
std::vector<T> list_of(U... items) {
  std::vector<T> made;
  (made.push_back(T(items)), ...);
  return made;
}

} // namespace coproc::test
