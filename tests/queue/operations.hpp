#pragma once

#include <coproc/queue.hpp>

#include <asio/awaitable.hpp>
#include <boost/test/unit_test.hpp>

#include <cstddef>

namespace coproc::test {

/// The counters, which have to agree with each other and with the forms that do not wait.
template <class T>
void check_counters(queue<T>& q, std::size_t expected) {
  BOOST_TEST(q.qsize() == expected);
  BOOST_TEST(q.empty() == (expected == 0));
  BOOST_TEST(q.full() == (q.maxsize() != 0 && expected == q.maxsize()));
}

inline asio::awaitable<void> get_one(queue<int>& q) { (void)co_await q.get(); }
inline asio::awaitable<void> put_one(queue<int>& q) { co_await q.put(1); }

} // namespace coproc::test
