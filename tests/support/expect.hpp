#pragma once

#include <asio/awaitable.hpp>
#include <asio/error.hpp>
#include <boost/test/unit_test.hpp>

#include <concepts>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

namespace coproc::test {

/// Awaits @p operation, which has to throw an E. @returns a copy of it. A cancellation of the test itself
/// passes through; anything else fails the test.
template <class E, class T>
asio::awaitable<E> thrown_by(asio::awaitable<T> operation) {
  std::optional<E> caught;
  try {
    if constexpr (std::is_void_v<T>)
      co_await std::move(operation);
    else
      (void)co_await std::move(operation);
  } catch (const E& e) {
    if constexpr (std::is_same_v<E, std::system_error>)
      if (e.code() == asio::error::operation_aborted) throw;
    caught = e;
  }
  if (!caught) throw std::logic_error("no exception, where one was expected");
  co_return std::move(*caught);
}

/// The same for what @p start() throws, be it at the call or at the await: `[&] { return child.wait(); }`.
template <class E, std::invocable Start>
asio::awaitable<E> thrown_by(Start start) {
  std::optional<E> caught;
  try {
    auto operation = start();
    co_await std::move(operation);
  } catch (const E& e) {
    caught = e;
  }
  if (!caught) throw std::logic_error("no exception, where one was expected");
  co_return std::move(*caught);
}

/// @returns the what() of the E that @p function throws; the test fails if it throws none.
template <class E, class Function>
std::string message_of(Function&& function) {
  try {
    std::forward<Function>(function)();
  } catch (const E& e) {
    return e.what();
  }
  throw std::logic_error("no exception, where one was expected");
}

inline bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

} // namespace coproc::test

/// That @p text contains @p part; shows both if not.
#define CHECK_CONTAINS(text, part)                                                                           \
  BOOST_TEST(coproc::test::contains(text, part), "'" << (text) << "' does not contain '" << (part) << "'")
