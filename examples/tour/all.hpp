#pragma once

#include <asio/awaitable.hpp>
#include <asio/experimental/awaitable_operators.hpp>

#include <cstddef>
#include <exception>
#include <span>
#include <utility>
#include <vector>

namespace tour {

namespace detail {

inline asio::awaitable<void> keep_first_failure(asio::awaitable<void> job, std::exception_ptr& failure) {
  try {
    co_await std::move(job);
  } catch (...) {
    if (!failure) failure = std::current_exception();
    throw;
  }
}

inline asio::awaitable<void> both_halves(std::span<asio::awaitable<void>> jobs, std::exception_ptr& failure) {
  using namespace asio::experimental::awaitable_operators;
  if (jobs.size() == 1) {
    co_await keep_first_failure(std::move(jobs.front()), failure);
  } else if (!jobs.empty()) {
    const std::size_t half = jobs.size() / 2;
    co_await (both_halves(jobs.first(half), failure) && both_halves(jobs.subspan(half), failure));
  }
}

} // namespace detail

/// Runs all jobs at the same time, and completes when the last of them has.
///
/// @throws what the first failure threw; the others were cancelled then. (`&&` alone says which operand
/// failed, not which one was first, and the others fail, too: with operation_aborted.)
/// **Cancellation**: as the jobs'; all of them.
inline asio::awaitable<void> all(std::vector<asio::awaitable<void>> jobs) {
  std::exception_ptr failure;
  try {
    co_await detail::both_halves(jobs, failure);
  } catch (...) {
    std::rethrow_exception(failure ? failure : std::current_exception());
  }
}

} // namespace tour
