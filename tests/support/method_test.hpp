#pragma once

#include <coproc/process_options.hpp>

#include "support/co_test.hpp"

#include <asio/awaitable.hpp>

/// A CO_TEST for every way to start a function process: `METHOD_TEST(result_comes_back) { process
/// p{by(method),
/// ...}; ... }`. The test's name is followed by that of the method.
#define COPROC_METHOD_TEST(name, again)                                                                      \
  static asio::awaitable<void> name(coproc::start_method method);                                            \
  COPROC_METHOD_CASE(name, forkserver, again)                                                                \
  COPROC_METHOD_CASE(name, spawn, again)                                                                     \
  COPROC_METHOD_CASE(name, fork, again)                                                                      \
  static asio::awaitable<void> name([[maybe_unused]] coproc::start_method method)

#define COPROC_METHOD_CASE(name, how, again)                                                                 \
  BOOST_AUTO_TEST_CASE(name##_by_##how) {                                                                    \
    coproc::test::run_co_test([] { return name(coproc::start_method::how); }, coproc::test::reruns::again);  \
  }

/// With the reruns: for what has a step at which a cancellation, or the end of the loop, could go wrong.
#define METHOD_TEST(name) COPROC_METHOD_TEST(name, all)
/// Without.
#define METHOD_TEST_ONCE(name) COPROC_METHOD_TEST(name, none)

namespace coproc::test {

inline process_options by(start_method method) { return process_options().method(method); }

} // namespace coproc::test
