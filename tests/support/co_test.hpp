#pragma once

#include "support/sanitizers.hpp"

#include <coproc/duration.hpp>

#include <asio/awaitable.hpp>
#include <boost/test/unit_test.hpp>

#include <cstddef>

namespace coproc::test {

using test_body = asio::awaitable<void> (*)();

enum class reruns {
  none, ///< The body runs once: its checks make no sense halfway, or it takes long.
  all,  ///< The body is run again, cancelled and with its loop destroyed, at every step.
};

/// Runs @p body on a fresh io_context, and then, unless told otherwise,
///
/// - again with a terminal cancellation after 0, 1, 2, ... handlers, and
/// - again with the io_context destroyed after 0, 1, 2, ... handlers,
///
/// up to the number of handlers of the first run (evenly spread over them, if all would take too long). After
/// each run no child process, no descriptor and no thread may be left. A run that does not end within its
/// deadline is a failure of this test, not a suite that hangs.
///
/// A cancelled body may throw `operation_aborted`, or end as if nothing had happened.
void run_co_test(test_body body, reruns again);

/// How long a test may wait for what is sure to come: generous, more so under a sanitizer.
duration deadline();

/// @returns the integer in the environment variable @p name, @p otherwise if there is none: iterations of a
/// stress test.
std::size_t scale_from_environment(const char* name, std::size_t otherwise);

#if COPROC_TEST_SANITIZED
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif

} // namespace coproc::test

#define COPROC_CO_TEST(name, again)                                                                          \
  static asio::awaitable<void> name##_body();                                                                \
  BOOST_AUTO_TEST_CASE(name) { coproc::test::run_co_test(name##_body, coproc::test::reruns::again); }        \
  static asio::awaitable<void> name##_body()

/// A test whose body is a coroutine: `CO_TEST(exit_code_is_exact) { ... co_await ...; }`. See run_co_test().
#define CO_TEST(name) COPROC_CO_TEST(name, all)
/// The same without the reruns.
#define CO_TEST_ONCE(name) COPROC_CO_TEST(name, none)
