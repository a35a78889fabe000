#include <coproc/output_stream.hpp>

#include <coproc/spawn.hpp>

#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/fault.hpp"
#include "support/helper.hpp"
#include "support/pending.hpp"
#include "support/process_info.hpp"

#include <asio/buffer.hpp>
#include <asio/use_awaitable.hpp>

#include <cerrno>
#include <string>
#include <system_error>

#include <signal.h>

using namespace coproc::test;

BOOST_AUTO_TEST_SUITE(output_stream)

using coproc::stdio;
using os_call = coproc::os::call;

/// A helper whose stdin and stdout are pipes.
template <class... Actions>
asio::awaitable<coproc::child> piped(Actions... actions) {
  auto c = helper(std::move(actions)...).in(stdio::pipe()).out(stdio::pipe());
  co_return co_await coproc::spawn(std::move(c));
}

CO_TEST(forms_of_reading_mix) {
  auto c = co_await piped("out=header\nbodyrest of it\nthe end");
  auto header = co_await c.out().read_line();
  BOOST_TEST(header.value() == "header");
  char body[4];
  std::size_t n = co_await c.out().read_some(asio::buffer(body));
  BOOST_TEST(std::string(body, n) == "body");
  auto line = co_await c.out().read_line();
  BOOST_TEST(line.value() == "rest of it");
  n = co_await c.out().async_read_some(asio::buffer(body), asio::use_awaitable);
  BOOST_TEST(std::string(body, n) == "the ");
  std::string rest = co_await c.out().read_all();
  BOOST_TEST(rest == "end");
}

CO_TEST(read_some_gives_what_is_there) {
  auto c = co_await piped("out=abcdef", "eof");
  char buffer[100];
  std::size_t n = co_await c.out().read_some(asio::buffer(buffer, 4));
  BOOST_TEST(std::string(buffer, n) == "abcd");
  n = co_await c.out().read_some(asio::buffer(buffer));
  BOOST_TEST(std::string(buffer, n) == "ef");
  auto op = co_await beside(c.out().read_some(asio::buffer(buffer)));
  co_await breathe();
  BOOST_TEST(!op.done());
  c.in().close();
  n = co_await op.result();
  BOOST_TEST(n == 0u);
  n = co_await c.out().read_some(asio::buffer(buffer));
  BOOST_TEST(n == 0u, "the end stays the end");
}

CO_TEST(empty_buffer_reads_nothing_at_once) {
  auto c = co_await piped("eof");
  std::size_t n = co_await c.out().read_some(asio::mutable_buffer());
  BOOST_TEST(n == 0u);
}

CO_TEST(read_all_goes_to_the_end) {
  auto c = co_await piped("flood=3000000");
  std::string all = co_await c.out().read_all();
  BOOST_TEST(all.size() == 3'000'000u);
  bool right = true;
  for (std::size_t i = 0; i != all.size(); ++i) right = right && all[i] == static_cast<char>('a' + i % 26);
  BOOST_TEST(right);
  all = co_await c.out().read_all();
  BOOST_TEST(all.empty());
}

CO_TEST(output_is_readable_after_the_exit) {
  auto c = co_await piped("out=one\ntwo\n");
  co_await c.wait();
  auto line = co_await c.out().read_line();
  BOOST_TEST(line.value() == "one");
  std::string rest = co_await c.out().read_all();
  BOOST_TEST(rest == "two\n");
}

CO_TEST(paused_reader_makes_the_child_wait) {
  auto c = co_await coproc::spawn(
      helper("flood=8000000", "err=written\n").in(stdio::null()).out(stdio::pipe()).err(stdio::pipe()));
  char first[1];
  co_await c.out().read_some(asio::buffer(first));
  auto written = co_await beside(c.err().read_line());
  co_await until_state(c.pid(), 'S'); // asleep in write(2)
  co_await breathe();
  BOOST_TEST(!written.done());
  std::string rest = co_await c.out().read_all();
  BOOST_TEST(rest.size() == 7'999'999u);
  auto line = co_await written.result();
  BOOST_TEST(line.value() == "written");
}

CO_TEST(nothing_is_read_ahead_of_a_reader) {
  auto c = co_await piped("say=one", "line", "say=two", "eof");
  auto line = co_await c.out().read_line();
  co_await c.in().write("\n");
  co_await until_state(c.pid(), 'S');
  co_await breathe();
  BOOST_TEST(!c.out().try_read_line());
  line = co_await c.out().read_line();
  BOOST_TEST(line.value() == "two");
}

CO_TEST(second_read_is_a_logic_error) {
  auto c = co_await piped("cat");
  auto first = co_await beside(c.out().read_line());
  co_await breathe();
  char buffer[8];
  co_await thrown_by<std::logic_error>([&] { return c.out().read_line(); });
  co_await thrown_by<std::logic_error>([&] { return c.out().read_all(); });
  co_await thrown_by<std::logic_error>([&] { return c.out().read_some(asio::buffer(buffer)); });
  BOOST_TEST(!first.done());
  co_await c.in().write("unharmed\n");
  auto line = co_await first.result();
  BOOST_TEST(line.value() == "unharmed");
}

CO_TEST(moved_from_stream_is_a_logic_error) {
  coproc::output_stream empty;
  BOOST_CHECK_THROW(empty.try_read_line(), std::logic_error);
  co_await thrown_by<std::logic_error>([&] { return empty.read_line(); });
  co_await thrown_by<std::logic_error>([&] { return empty.read_all(); });
  auto c = co_await piped("cat");
  coproc::output_stream taken = std::move(c.out());
  co_await thrown_by<std::logic_error>([&] { return c.out().read_line(); });
  co_await c.in().write("x\n");
  auto line = co_await taken.read_line();
  BOOST_TEST(line.value() == "x");
}

CO_TEST(stream_outlives_its_child_handle) {
  coproc::output_stream out;
  {
    auto c = co_await piped("out=one\ntwo\n");
    co_await c.wait();
    out = std::move(c.out());
  }
  std::string all = co_await out.read_all();
  BOOST_TEST(all == "one\ntwo\n");
}

CO_TEST(moving_keeps_a_reader) {
  auto c = co_await piped("cat");
  coproc::output_stream first = std::move(c.out());
  auto reader = co_await beside(first.read_line());
  co_await breathe();
  coproc::output_stream second = std::move(first);
  co_await c.in().write("x\n");
  auto line = co_await reader.result();
  BOOST_TEST(line.value() == "x");
}

CO_TEST(cancelled_read_loses_no_byte) {
  for (auto type : {asio::cancellation_type::terminal, asio::cancellation_type::partial,
                    asio::cancellation_type::total}) {
    auto c = co_await piped("cat");
    co_await c.in().write("half ");
    auto op = co_await beside(c.out().read_line());
    co_await until_state(c.pid(), 'S');
    co_await breathe();
    BOOST_TEST(!op.done());
    op.cancel(type);
    if (type != asio::cancellation_type::terminal) op.cancel(); // co_spawn lets only a terminal one through
    bool aborted = co_await op.aborted();
    BOOST_TEST(aborted);
    co_await c.in().write("and half\n");
    auto line = co_await c.out().read_line();
    BOOST_TEST(line.value() == "half and half");
  }
}

CO_TEST(cancelled_read_all_keeps_what_it_had) {
  auto c = co_await piped("out=early ", "cat");
  auto op = co_await beside(c.out().read_all());
  co_await breathe();
  op.cancel();
  bool aborted = co_await op.aborted();
  BOOST_TEST(aborted);
  co_await c.in().write("late");
  c.in().close();
  std::string all = co_await c.out().read_all();
  BOOST_TEST(all == "early late");
}

CO_TEST(close_completes_a_reader_and_the_child_gets_sigpipe) {
  auto c = co_await piped("line", "flood=0");
  auto reader = co_await beside(c.out().read_line());
  co_await breathe();
  BOOST_TEST(c.out().is_open());
  c.out().close();
  BOOST_TEST(!c.out().is_open());
  bool aborted = co_await reader.aborted();
  BOOST_TEST(aborted);
  c.out().close(); // harmless
  co_await c.in().write("\n");
  auto status = co_await c.wait();
  BOOST_TEST((status.signal() == SIGPIPE));
}

CO_TEST(end_of_stream_does_not_close) {
  auto c = co_await piped("exit=0");
  std::string all = co_await c.out().read_all();
  BOOST_TEST(all.empty());
  BOOST_TEST(c.out().is_open());
}

CO_TEST(failing_read_is_a_system_error) {
  auto c = co_await piped("eof");
  fault reads(os_call::read, EIO);
  auto e = co_await thrown_by<std::system_error>(c.out().read_line());
  BOOST_TEST((e.code() == std::errc::io_error));
  BOOST_TEST(reads.hits() > 0u);
}

CO_TEST(short_reads_and_false_alarms_lose_nothing) {
  short_transfers reads(os_call::read, 1);
  fault not_ready(os_call::read, EAGAIN, 2, 3);
  auto c = co_await piped("out=a line\nand another\n");
  auto line = co_await c.out().read_line();
  BOOST_TEST(line.value() == "a line");
  std::string rest = co_await c.out().read_all();
  BOOST_TEST(rest == "and another\n");
  BOOST_TEST(not_ready.hits() == 2u);
}

BOOST_AUTO_TEST_SUITE_END()
