// Lines from a child: read_line(), read_until(), try_read_line(), max_line().
#include <coproc/output_stream.hpp>

#include <coproc/spawn.hpp>

#include "program/command_spec.hpp"
#include "program/output_state.hpp"
#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/helper.hpp"
#include "support/pending.hpp"

#include <asio/buffer.hpp>
#include <asio/post.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <fcntl.h>

using namespace coproc::test;
using namespace std::string_literals;

BOOST_AUTO_TEST_SUITE(lines)

using coproc::stdio;

/// A helper whose stdin and stdout are pipes.
template <class... Actions>
asio::awaitable<coproc::child> piped(Actions... actions) {
  auto c = helper(std::move(actions)...).in(stdio::pipe()).out(stdio::pipe());
  co_return co_await coproc::spawn(std::move(c));
}

CO_TEST(lines_come_without_their_ends) {
  auto c = co_await piped("out=one\ntwo\n\nfour\n");
  for (const char* expected : {"one", "two", "", "four"}) {
    auto line = co_await c.out().read_line();
    BOOST_REQUIRE(line.has_value());
    BOOST_TEST(*line == expected);
  }
  for (int i = 0; i != 3; ++i) { // at the end, again and again
    auto line = co_await c.out().read_line();
    BOOST_TEST(!line.has_value());
  }
}

CO_TEST(last_line_may_lack_its_end) {
  auto c = co_await piped("out=one\nlast");
  auto line = co_await c.out().read_line();
  BOOST_TEST(line.value() == "one");
  line = co_await c.out().read_line();
  BOOST_TEST(line.value() == "last");
  line = co_await c.out().read_line();
  BOOST_TEST(!line.has_value());
}

CO_TEST(no_output_is_no_line) {
  auto c = co_await piped("exit=0");
  auto line = co_await c.out().read_line();
  BOOST_TEST(!line.has_value());
}

CO_TEST(carriage_returns_and_nul_bytes_are_kept) {
  auto c = co_await piped("cat");
  const std::string text = "dos\r\na\0b\n\r\n\xff\xfe\n"s;
  co_await c.in().write(text);
  c.in().close();
  for (const std::string& expected : {"dos\r"s, "a\0b"s, "\r"s, "\xff\xfe"s}) {
    auto line = co_await c.out().read_line();
    BOOST_TEST((line == expected));
  }
}

CO_TEST(line_does_not_come_before_its_end) {
  auto c = co_await piped("out=half", "line", "out= and half\n", "eof");
  auto line = co_await beside(c.out().read_line());
  co_await breathe();
  BOOST_TEST(!line.done());
  co_await c.in().write("\n");
  auto text = co_await line.result();
  BOOST_TEST(text.value() == "half and half");
}

CO_TEST(line_of_ten_megabytes) {
  auto c = co_await piped("flood=10000000", "out=\nshort\n");
  auto line = co_await c.out().read_line();
  BOOST_TEST(line->size() == 10'000'000u);
  BOOST_TEST(line->starts_with("abcdef"));
  line = co_await c.out().read_line();
  BOOST_TEST(line.value() == "short");
}

CO_TEST(line_beyond_the_limit_is_an_error_and_stays) {
  auto c = co_await piped("out=12345\n123456\n12345\n");
  c.out().max_line(5);
  auto line = co_await c.out().read_line();
  BOOST_TEST(line.value() == "12345");
  for (int i = 0; i != 2; ++i) {
    auto e = co_await thrown_by<std::system_error>(c.out().read_line());
    BOOST_TEST((e.code() == std::errc::message_size));
  }
  c.out().max_line(6);
  line = co_await c.out().read_line();
  BOOST_TEST(line.value() == "123456");
  line = co_await c.out().read_line();
  BOOST_TEST(line.value() == "12345");
}

CO_TEST(endless_line_is_an_error_before_it_eats_the_memory) {
  auto c = co_await piped("flood=0");
  c.out().max_line(100'000);
  auto e = co_await thrown_by<std::system_error>(c.out().read_line());
  BOOST_TEST((e.code() == std::errc::message_size));
  char first[3];
  std::size_t n = co_await c.out().read_some(asio::buffer(first));
  BOOST_TEST(std::string(first, n) == "abc");
}

CO_TEST(unfinished_last_line_counts_against_the_limit) {
  auto c = co_await piped("out=123456");
  c.out().max_line(5);
  auto e = co_await thrown_by<std::system_error>(c.out().read_line());
  BOOST_TEST((e.code() == std::errc::message_size));
  std::string rest = co_await c.out().read_all();
  BOOST_TEST(rest == "123456");
}

CO_TEST(try_read_line_takes_what_is_there) {
  auto c = co_await piped("out=one\ntwo\nthree\nhalf", "eof");
  BOOST_TEST(!c.out().try_read_line(), "nothing is read ahead of a reader");
  auto line = co_await c.out().read_line();
  BOOST_TEST(line.value() == "one");
  BOOST_TEST((c.out().try_read_line() == "two"));
  BOOST_TEST((c.out().try_read_line() == "three"));
  BOOST_TEST(!c.out().try_read_line(), "half a line is none");
  c.in().close();
  line = co_await c.out().read_line();
  BOOST_TEST(line.value() == "half");
  BOOST_TEST(!c.out().try_read_line());
}

CO_TEST(alternating_both_ways_gives_every_line_once) {
  const int count = 20'000;
  auto c = co_await piped("lines=" + std::to_string(count));
  int seen = 0;
  bool in_order = true;
  while (auto line = co_await c.out().read_line()) {
    in_order = in_order && *line == "line " + std::to_string(seen++);
    while (auto more = c.out().try_read_line())
      in_order = in_order && *more == "line " + std::to_string(seen++);
  }
  BOOST_TEST(in_order);
  BOOST_TEST(seen == count);
}

CO_TEST(delimiter_is_whatever_one_says) {
  auto c = co_await piped("cat");
  co_await c.in().write("./a\0./b c\0\0last"s);
  c.in().close();
  for (const char* expected : {"./a", "./b c", "", "last"}) {
    auto name = co_await c.out().read_until('\0');
    BOOST_REQUIRE(name.has_value());
    BOOST_TEST(*name == expected);
  }
  for (int i = 0; i != 2; ++i) {
    auto name = co_await c.out().read_until('\0');
    BOOST_TEST(!name.has_value());
  }
}

CO_TEST(delimiter_of_several_bytes_may_come_in_pieces) {
  auto c = co_await piped("cat");
  co_await c.in().write("a-b--c-");
  auto text = co_await c.out().read_until("--");
  BOOST_TEST(text.value() == "a-b");
  auto next = co_await beside(c.out().read_until("--"));
  co_await breathe();
  BOOST_TEST(!next.done());
  co_await c.in().write("-rest\n");
  text = co_await next.result();
  BOOST_TEST(text.value() == "c");
  text = co_await c.out().read_line(); // the forms mix
  BOOST_TEST(text.value() == "rest");
  c.in().close();
  text = co_await c.out().read_until("--");
  BOOST_TEST(!text.has_value());
}

CO_TEST(delimiter_that_does_not_come_ends_with_the_stream) {
  auto c = co_await piped("out=no end: -");
  auto text = co_await c.out().read_until("--");
  BOOST_TEST(text.value() == "no end: -");
  text = co_await c.out().read_until("--");
  BOOST_TEST(!text.has_value());
}

CO_TEST(cancelled_read_until_leaves_its_bytes) {
  auto c = co_await piped("cat");
  co_await c.in().write("half");
  auto read = co_await beside(c.out().read_until("!!"));
  co_await breathe();
  BOOST_TEST(!read.done());
  read.cancel();
  bool aborted = co_await read.aborted();
  BOOST_TEST(aborted);
  co_await c.in().write(" and half!!");
  auto text = co_await c.out().read_until("!!");
  BOOST_TEST(text.value() == "half and half");
}

CO_TEST(max_line_holds_for_any_delimiter) {
  auto c = co_await piped("out=12345--123456--123456");
  c.out().max_line(5);
  auto text = co_await c.out().read_until("--");
  BOOST_TEST(text.value() == "12345");
  for (int i = 0; i != 2; ++i) {
    auto e = co_await thrown_by<std::system_error>(c.out().read_until("--"));
    BOOST_TEST((e.code() == std::errc::message_size));
  }
  c.out().max_line(6);
  text = co_await c.out().read_until("--");
  BOOST_TEST(text.value() == "123456");
  c.out().max_line(5);
  auto e = co_await thrown_by<std::system_error>(c.out().read_until("--"));
  BOOST_TEST((e.code() == std::errc::message_size));
}

CO_TEST(empty_delimiter_is_refused) {
  auto c = co_await piped("out=x");
  BOOST_CHECK_THROW((void)c.out().read_until(""), std::invalid_argument);
}

/// Counts how often others have their turn, until it is cancelled.
asio::awaitable<void> count_turns(int& turns) {
  for (;; ++turns) co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
}

CO_TEST_ONCE(long_line_of_a_fast_writer_leaves_others_their_turns) {
  // No writer is faster than a device that always has zeros, so the read never waits for one.
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  for (bool until : {false, true}) {
    auto state = std::make_shared<coproc::detail::output_state>(
        executor, coproc::os::unique_fd(::open("/dev/zero", O_RDONLY | O_CLOEXEC)), "zeros");
    coproc::output_stream zeros = coproc::detail::access::make(std::move(state));
    int turns = 0;
    auto counting = co_await beside(count_turns(turns));
    const int before = turns;
    auto line = until ? zeros.read_until("\n") : zeros.read_line();
    auto error = co_await thrown_by<std::system_error>(std::move(line)); // there is a limit
    CHECK_CONTAINS(std::string(error.what()), "longer than max_line");
    BOOST_TEST(turns >= before + 3);
    counting.cancel();
    bool aborted = co_await counting.aborted();
    BOOST_TEST(aborted);
  }
}

BOOST_AUTO_TEST_SUITE_END()
