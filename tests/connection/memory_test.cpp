// Values that memory runs out for on their arrival.
#include <coproc/connection.hpp>
#include <coproc/make_pipe.hpp>

#include "support/allocations.hpp"
#include "support/expect.hpp"
#include "support/fault.hpp"
#include "support/leak_check.hpp"

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <boost/test/unit_test.hpp>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using namespace coproc::test;

BOOST_AUTO_TEST_SUITE(connection_memory)

using coproc::connection;
using coproc::connection_closed;
using coproc::make_pipe;

struct parcel { // comes with a descriptor
  int number = 0;
  connection<int> end;
};
struct list { // takes memory of its own
  int number = 0;
  std::vector<std::string> words;
};
struct block { // comes in shared memory
  int number = 0;
  std::string text;
};

void fill(parcel& value) { value.end = make_pipe<int>().first; }
void fill(list& value) { value.words.assign(3, std::string(100, 'w')); }
void fill(block& value) { value.text.assign(70'000, 't'); }

template <class Value>
void send(connection<Value>& to, int number) {
  Value value;
  value.number = number;
  fill(value);
  to.blocking_send(std::move(value));
}

/// What became of a recv with an allocation that failed.
struct attempt {
  std::optional<int> number;
  bool struck = false;
};

template <class Value>
attempt receive_blocking(connection<Value>& from, std::size_t nth) {
  attempt made;
  const failing_allocation none(nth);
  try {
    made.number = from.blocking_recv().number;
  } catch (const std::bad_alloc&) {
  } catch (const std::system_error&) {
  }
  made.struck = none.struck();
  return made;
}

template <class Value>
asio::awaitable<void> receive_awaited(connection<Value>& from, std::size_t nth, attempt& made) {
  (void)co_await from.poll(std::chrono::seconds(0)); // belongs to this loop from here on
  const failing_allocation none(nth);
  try {
    Value value = co_await from.recv();
    made.number = value.number;
  } catch (const std::bad_alloc&) {
  } catch (const std::system_error&) {
  }
  made.struck = none.struck();
}

template <class Value>
attempt receive_in_loop(connection<Value>& from, std::size_t nth) {
  attempt made;
  asio::io_context loop;
  asio::co_spawn(loop, receive_awaited(from, nth, made), asio::detached);
  loop.run();
  return made;
}

/// @returns whether the first value was lost, which all later operations have to say.
template <class Value>
bool was_lost(connection<Value>& to, connection<Value>& from) {
  try {
    BOOST_TEST(from.blocking_recv().number == 1); // it had not been taken
    return false;
  } catch (const std::system_error& error) {
    BOOST_TEST((error.code() == std::errc::not_enough_memory));
    CHECK_CONTAINS(std::string(error.what()), "a value was lost");
  }
  BOOST_TEST(!from.is_open());
  BOOST_CHECK_THROW(send(to, 3), connection_closed);
  return true;
}

template <class Value, class Receive>
void fail_each_allocation(Receive receive) {
  int lost = 0;
  for (std::size_t nth = 1;; ++nth) {
    BOOST_TEST_CONTEXT("allocation " << nth) {
      auto [to, from] = make_pipe<Value>();
      send(to, 1);
      send(to, 2);
      const attempt made = receive(from, nth);
      if (made.number) {
        BOOST_TEST(*made.number == 1);
        BOOST_TEST(from.blocking_recv().number == 2);
      } else {
        BOOST_TEST(made.struck);
        lost += was_lost(to, from) ? 1 : 0;
      }
      if (!made.struck) break;
    }
  }
  BOOST_TEST((lost != 0 || !allocations_are_counted));
}

BOOST_AUTO_TEST_CASE(value_that_memory_runs_out_for_is_not_passed_over) {
  leak_check leaks;
  fail_each_allocation<parcel>(receive_blocking<parcel>);
  fail_each_allocation<list>(receive_blocking<list>);
  fail_each_allocation<block>(receive_blocking<block>);
}

BOOST_AUTO_TEST_CASE(value_that_memory_runs_out_for_is_not_passed_over_in_a_coroutine) {
  leak_check leaks;
  fail_each_allocation<parcel>(receive_in_loop<parcel>);
  fail_each_allocation<list>(receive_in_loop<list>);
  fail_each_allocation<block>(receive_in_loop<block>);
}

BOOST_AUTO_TEST_CASE(value_that_cannot_be_mapped_is_not_passed_over) {
  leak_check leaks;
  auto [to, from] = make_pipe<block>();
  send(to, 1);
  send(to, 2);
  {
    const fault none(coproc::os::call::mmap, ENOMEM);
    BOOST_CHECK_THROW(from.blocking_recv(), std::system_error);
    BOOST_TEST(none.hits() == 1u);
  }
  BOOST_TEST(was_lost(to, from));
}

BOOST_AUTO_TEST_SUITE_END()
