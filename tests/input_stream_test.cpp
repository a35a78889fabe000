#include <coproc/input_stream.hpp>

#include <coproc/spawn.hpp>

#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/fault.hpp"
#include "support/helper.hpp"
#include "support/host_state.hpp"
#include "support/pending.hpp"
#include "support/process_info.hpp"

#include <asio/buffer.hpp>
#include <asio/cancellation_state.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <cerrno>
#include <string>
#include <system_error>
#include <vector>

#include <signal.h>

using namespace coproc::test;

BOOST_AUTO_TEST_SUITE(input_stream)

using coproc::stdio;
using os_call = coproc::os::call;

template <class... Actions>
asio::awaitable<coproc::child> piped(Actions... actions) {
  auto c = helper(std::move(actions)...).in(stdio::pipe()).out(stdio::pipe());
  co_return co_await coproc::spawn(std::move(c));
}

CO_TEST(all_bytes_arrive_in_order) {
  auto c = co_await piped("cat");
  for (const char* part : {"one ", "two ", "", "three"}) co_await c.in().write(part);
  c.in().close();
  std::string all = co_await c.out().read_all();
  BOOST_TEST(all == "one two three");
}

CO_TEST(close_is_the_end_of_the_input) {
  auto c = co_await piped("eof", "exit=3");
  BOOST_TEST(c.in().is_open());
  BOOST_TEST(!c.poll());
  c.in().close();
  BOOST_TEST(!c.in().is_open());
  c.in().close(); // harmless
  auto status = co_await c.wait();
  BOOST_TEST((status.code() == 3));
}

CO_TEST(destruction_is_the_end_of_the_input) {
  auto c = co_await piped("eof", "exit=3");
  { coproc::input_stream in = std::move(c.in()); }
  auto status = co_await c.wait();
  BOOST_TEST((status.code() == 3));
}

CO_TEST(write_waits_while_the_pipe_is_full) {
  auto c = co_await piped("line", "cat");
  const std::string much = "\n" + std::string(4'000'000, 'x');
  auto write = co_await beside(c.in().write(much));
  co_await breathe();
  BOOST_TEST(!write.done());
  auto all = co_await beside(c.out().read_all());
  co_await write.result();
  c.in().close();
  std::string text = co_await all.result();
  BOOST_TEST(text.size() == 4'000'000u);
}

CO_TEST(closed_stdin_is_a_broken_pipe_and_no_signal) {
  auto c = co_await piped("close=0", "say=closed", "pause");
  co_await c.out().read_line();
  for (int i = 0; i != 2; ++i) { // each time, and we live
    auto e = co_await thrown_by<std::system_error>(c.in().write("text"));
    BOOST_TEST((e.code() == std::errc::broken_pipe));
  }
}

CO_TEST(ended_child_is_a_broken_pipe) {
  auto c = co_await piped("exit=0");
  co_await c.wait();
  auto e = co_await thrown_by<std::system_error>(c.in().write("text"));
  BOOST_TEST((e.code() == std::errc::broken_pipe));
}

CO_TEST(child_that_ends_during_a_write_is_a_broken_pipe) {
  auto c = co_await piped("read=10");
  const std::string much(4'000'000, 'x');
  auto e = co_await thrown_by<std::system_error>(c.in().write(much));
  BOOST_TEST((e.code() == std::errc::broken_pipe));
}

volatile sig_atomic_t sigpipes = 0;

CO_TEST(hosts_sigpipe_is_neither_raised_nor_changed) {
  for (bool no_signal_flag : {true, false}) {
    // Where the kernel can't suppress the signal for one write, it is blocked around it.
    fault fallback(os_call::pwritev2, no_signal_flag ? 0 : EOPNOTSUPP);
    disposition handler(SIGPIPE, [](int) { sigpipes = sigpipes + 1; });
    sigset_t before;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &before);
    auto c = co_await piped("close=0", "say=closed", "pause");
    co_await c.out().read_line();
    auto e = co_await thrown_by<std::system_error>(c.in().write("text"));
    BOOST_TEST((e.code() == std::errc::broken_pipe));
    BOOST_TEST(sigpipes == 0);
    sigset_t after, waiting;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &after);
    ::sigpending(&waiting);
    BOOST_TEST(::sigismember(&before, SIGPIPE) == ::sigismember(&after, SIGPIPE));
    BOOST_TEST(::sigismember(&waiting, SIGPIPE) == 0, "none is left pending");
    if (!no_signal_flag) BOOST_TEST(fallback.hits() > 0u);
  }
}

CO_TEST(write_works_without_the_kernels_flag) {
  fault fallback(os_call::pwritev2, EOPNOTSUPP);
  auto c = co_await piped("cat");
  auto all = co_await beside(c.out().read_all());
  const std::string much(500'000, 'x');
  co_await c.in().write(much);
  c.in().close();
  std::string text = co_await all.result();
  BOOST_TEST((text == much));
}

CO_TEST(second_write_is_a_logic_error) {
  auto c = co_await piped("line", "cat");
  const std::string much = "\n" + std::string(4'000'000, 'x');
  auto first = co_await beside(c.in().write(much));
  co_await breathe();
  co_await thrown_by<std::logic_error>([&] { return c.in().write("me too"); });
  BOOST_TEST(!first.done());
  auto all = co_await beside(c.out().read_all());
  co_await first.result();
  c.in().close();
  std::string text = co_await all.result();
  BOOST_TEST(text.size() == 4'000'000u);
}

CO_TEST(moved_from_stream_is_a_logic_error) {
  coproc::input_stream empty;
  co_await thrown_by<std::logic_error>([&] { return empty.write("x"); });
  auto c = co_await piped("cat");
  coproc::input_stream taken = std::move(c.in());
  co_await thrown_by<std::logic_error>([&] { return c.in().write("x"); });
  co_await taken.write("y");
  taken.close();
  std::string all = co_await c.out().read_all();
  BOOST_TEST(all == "y");
}

CO_TEST(write_after_close_is_an_error) {
  auto c = co_await piped("cat");
  c.in().close();
  bool thrown = false;
  try {
    co_await c.in().write("x");
  } catch (const std::exception&) {
    thrown = true;
  }
  BOOST_TEST(thrown);
}

CO_TEST(close_completes_a_writer) {
  auto c = co_await piped("pause");
  const std::string much(4'000'000, 'x');
  auto write = co_await beside(c.in().write(much));
  co_await breathe();
  BOOST_TEST(!write.done());
  c.in().close();
  bool aborted = co_await write.aborted();
  BOOST_TEST(aborted);
}

CO_TEST(cancelled_write_ends_promptly_and_the_stream_goes_on) {
  auto c = co_await piped("line", "cat");
  const std::string much = "\n" + std::string(4'000'000, 'x');
  auto write = co_await beside(c.in().write(much));
  co_await breathe();
  write.cancel();
  bool aborted = co_await write.aborted();
  BOOST_TEST(aborted);
  auto all = co_await beside(c.out().read_all());
  co_await c.in().write("end");
  c.in().close();
  std::string text = co_await all.result();
  BOOST_TEST(text.ends_with("xend"), "the child got a part");
  BOOST_TEST(text.size() < much.size());
}

CO_TEST(async_write_some_writes_the_first_buffer_that_is_not_empty) {
  auto c = co_await piped("cat");
  const std::string text = "some text";
  std::vector<asio::const_buffer> buffers{asio::const_buffer(), asio::buffer(text)};
  std::size_t n = co_await c.in().async_write_some(buffers, asio::use_awaitable);
  BOOST_TEST(n == text.size());
  n = co_await c.in().async_write_some(asio::const_buffer(), asio::use_awaitable);
  BOOST_TEST(n == 0u);
  c.in().close();
  std::string all = co_await c.out().read_all();
  BOOST_TEST(all == text);
}

CO_TEST(short_writes_and_false_alarms_lose_nothing) {
  short_transfers writes(os_call::write, 1);
  fault not_ready(os_call::write, EAGAIN, 2, 3);
  auto c = co_await piped("cat");
  co_await c.in().write("every byte of it");
  c.in().close();
  std::string all = co_await c.out().read_all();
  BOOST_TEST(all == "every byte of it");
  BOOST_TEST(not_ready.hits() == 2u);
}

CO_TEST(failing_write_is_a_system_error) {
  auto c = co_await piped("cat");
  fault writes(os_call::write, EIO);
  auto e = co_await thrown_by<std::system_error>(c.in().write("x"));
  BOOST_TEST((e.code() == std::errc::io_error));
  BOOST_TEST(writes.hits() > 0u);
}

/// By a caller that obeys total cancellation, too.
asio::awaitable<void> write_all(coproc::input_stream& to, const std::string& bytes) {
  co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
  co_await to.write(bytes);
}

CO_TEST_ONCE(total_cancellation_does_not_cut_a_write) {
  auto c = co_await piped("line", "cat");
  const std::string bytes = "\n" + std::string(3'000'000, 'x');
  auto writing = co_await beside(write_all(c.in(), bytes));
  co_await breathe();
  writing.cancel(asio::cancellation_type::total);
  auto reading = co_await beside(c.out().read_all());
  co_await writing.result();
  c.in().close();
  const std::string got = co_await reading.result();
  BOOST_TEST(got.size() + 1 == bytes.size());
}

BOOST_AUTO_TEST_SUITE_END()
