// child::communicate(), and what run() shares with it.
#include <coproc/child.hpp>

#include <coproc/output_limit.hpp>
#include <coproc/run.hpp>
#include <coproc/spawn.hpp>
#include <coproc/timeout_expired.hpp>

#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/fault.hpp"
#include "support/helper.hpp"
#include "support/pending.hpp"
#include "support/process_info.hpp"

#include <asio/buffer.hpp>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>

#include <cerrno>
#include <chrono>
#include <string>
#include <vector>

#include <signal.h>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(communicate)

using coproc::command;
using coproc::exit_status;
using coproc::stdio;
using os_call = coproc::os::call;

command piped(command c) { return std::move(c).in(stdio::pipe()).out(stdio::pipe()).err(stdio::pipe()); }

CO_TEST(large_duplex_exchange_does_not_deadlock) {
  std::string input;
  for (int i = 0; input.size() < 2'000'000; ++i) input += std::to_string(i) + ' ';
  auto c = co_await coproc::spawn(piped(helper("cat-both", "exit=3")));
  auto result = co_await c.communicate(input);
  BOOST_TEST((result.out == input));
  BOOST_TEST((result.err == input));
  BOOST_TEST((result.status == exit_status::exited(3)));
  BOOST_TEST(result.statuses.size() == 1u);
  BOOST_TEST((result.statuses.front() == result.status));
}

CO_TEST(both_outputs_are_drained_together) {
  auto c = co_await coproc::spawn(piped(helper("flood-err=300000", "flood=300000", "flood-err=300000")));
  auto result = co_await c.communicate();
  BOOST_TEST(result.out.size() == 300'000u);
  BOOST_TEST(result.err.size() == 600'000u);
}

CO_TEST(no_input_is_an_end_of_file) {
  auto c = co_await coproc::spawn(piped(helper("cat", "out=end")));
  auto result = co_await c.communicate();
  BOOST_TEST(result.out == "end");
}

CO_TEST(child_that_does_not_read_is_no_error) {
  const std::string input(500'000, 'x');
  auto closes = co_await coproc::spawn(piped(helper("close=0", "say=on", "exit=4")));
  auto result = co_await closes.communicate(input);
  BOOST_TEST(result.out == "on\n");
  BOOST_TEST((result.status == exit_status::exited(4)));
  auto ends = co_await coproc::spawn(piped(helper("read=100000", "exit=5")));
  result = co_await ends.communicate(input);
  BOOST_TEST((result.status == exit_status::exited(5)));
}

CO_TEST(streams_that_are_no_pipes_are_left_out) {
  auto c = co_await coproc::spawn(
      helper("out=x", "err=y").in(stdio::null()).out(stdio::pipe()).err(stdio::null()));
  auto result = co_await c.communicate();
  BOOST_TEST(result.out == "x");
  BOOST_TEST(result.err.empty());
  auto none = co_await coproc::spawn(helper("exit=3"));
  result = co_await none.communicate();
  BOOST_TEST((result.status == exit_status::exited(3)));
}

CO_TEST(input_without_a_pipe_is_an_invalid_argument) {
  auto c = co_await coproc::spawn(helper("cat").in(stdio::null()).out(stdio::pipe()));
  co_await thrown_by<std::invalid_argument>(c.communicate("input"));
}

CO_TEST(what_the_streams_have_buffered_is_included) {
  auto c = co_await coproc::spawn(piped(helper("out=first\nsecond\nthird", "eof", "out= end")));
  auto line = co_await c.out().read_line();
  BOOST_TEST(line.value() == "first");
  auto result = co_await c.communicate();
  BOOST_TEST(result.out == "second\nthird end");
}

CO_TEST(works_after_the_end_of_the_child) {
  auto c = co_await coproc::spawn(piped(helper("out=late", "err=reader")));
  co_await c.wait();
  auto result = co_await c.communicate();
  BOOST_TEST(result.out == "late");
  BOOST_TEST(result.err == "reader");
  BOOST_TEST(result.status.success());
}

CO_TEST_ONCE(cancelled_communicate_resumes_without_loss) {
  // The child echoes what it gets, so it shows all that was written, in order, and nothing twice.
  auto c = co_await coproc::spawn(piped(helper("out=begin ", "cat", "out= end")));
  const std::string first(3'000'000, '1');
  {
    short_transfers slow(os_call::write, 100); // it can't be done before the cancellation
    auto op = co_await beside(c.communicate(first));
    co_await breathe();
    op.cancel();
    bool aborted = co_await op.aborted();
    BOOST_TEST(aborted);
  }
  BOOST_TEST(!c.poll(), "the child runs on");
  auto result = co_await c.communicate("2");
  BOOST_TEST((result.out == "begin " + first + "2 end"));
  BOOST_TEST(result.status.success());
}

asio::awaitable<void> cancel_after(pending<coproc::completed>& op, int steps) {
  for (int i = 0; i != steps; ++i) co_await asio::post(asio::use_awaitable);
  op.cancel();
}

CO_TEST_ONCE(communicate_cancelled_again_and_again_loses_nothing) {
  auto c = co_await coproc::spawn(piped(helper("cat-both")));
  std::string all;
  {
    short_transfers slow(os_call::write, 100);
    for (int round = 0; round != 10; ++round) {
      std::string part(round == 0 ? 3'000'000 : 1000, static_cast<char>('a' + round));
      all += part;
      auto op = co_await beside(c.communicate(part));
      co_await cancel_after(op, round);
      bool aborted = co_await op.aborted();
      BOOST_TEST(aborted);
    }
  }
  auto result = co_await c.communicate("end");
  BOOST_TEST((result.out == all + "end"));
  BOOST_TEST((result.err == all + "end"));
}

CO_TEST(output_until_a_timeout_is_kept) {
  // On a busy machine the child may not come to write anything in the first of them.
  for (auto limit = 100ms;; limit *= 4) {
    auto c = piped(helper("out=some output", "err=some errors", "pause")).timeout(limit);
    auto started = co_await coproc::spawn(std::move(c));
    auto e = co_await thrown_by<coproc::timeout_expired>(started.communicate());
    BOOST_TEST((e.status == exit_status::signaled(SIGTERM)));
    BOOST_TEST((e.timeout == limit));
    if (e.err.empty() && limit < 10s) continue;
    BOOST_TEST(e.out == "some output");
    BOOST_TEST(e.err == "some errors");
    BOOST_TEST(std::string(e.what()).ends_with("some errors"));
    break;
  }
}

CO_TEST(output_limit_stops_the_child_and_keeps_what_fits) {
  auto c = piped(helper("flood=0")).max_output(1000);
  auto started = co_await coproc::spawn(std::move(c));
  auto e = co_await thrown_by<coproc::output_limit>(started.communicate());
  BOOST_TEST(e.limit == 1000u);
  BOOST_TEST(e.out.size() == 1000u);
  BOOST_TEST(e.err.empty());
  BOOST_TEST(!e.status.success());
}

/// A child that has written more than it may, and goes on in spite of being stopped; a first communicate()
/// has seen that and is cancelled.
asio::awaitable<coproc::child> over_its_limit(command program) {
  auto c = co_await coproc::spawn(std::move(program));
  auto first = co_await beside(c.communicate());
  co_await until_state(c.pid(), 'S'); // it has written all, and pauses
  co_await c.wait(50ms);
  first.cancel();
  co_await first.aborted();
  co_return std::move(c);
}

CO_TEST_ONCE(output_limit_is_remembered_by_the_next) {
  auto program = piped(helper("ignore=15", "flood=5000", "pause"));
  program.max_output(10).stop(coproc::stop_policy(500ms));
  auto c = co_await over_its_limit(std::move(program));
  auto e = co_await thrown_by<coproc::output_limit>(c.communicate());
  BOOST_TEST(e.limit == 10u);
  BOOST_TEST(e.out.size() == 10u);
}

CO_TEST_ONCE(line_is_read_on_where_the_limit_has_cut_it) {
  auto c = co_await coproc::spawn(piped(helper("ignore=15", "out=0123456789012345678901234567890", "line",
                                               "out=more", "eof", "say=", "pause"))
                                      .max_output(10)
                                      .stop(coproc::stop_policy(1s)));
  auto line = co_await beside(c.out().read_line());
  while (process_state_of(c.pid()) != 'S') co_await breathe();
  co_await c.wait(20ms);
  line.cancel(); // all there is has been searched for an end
  co_await line.aborted();
  co_await c.in().write("\n");
  {
    auto first = co_await beside(c.communicate());
    co_await c.wait(100ms);
    first.cancel();
    co_await first.aborted();
  }
  c.in().close();
  auto cut = co_await c.out().read_line();
  BOOST_TEST(cut.value() == "0123456789");
  c.kill();
}

CO_TEST_ONCE(output_limit_comes_before_a_timeout_that_passes_while_it_is_stopped) {
  auto program = piped(helper("ignore=15", "flood=5000", "pause"));
  program.max_output(1000).timeout(400ms).stop(coproc::stop_policy(800ms));
  auto e = co_await thrown_by<coproc::output_limit>(coproc::run(std::move(program)));
  BOOST_TEST(e.limit == 1000u);
}

CO_TEST_ONCE(write_comes_after_the_input_of_one_that_was_cancelled) {
  auto c = co_await coproc::spawn(piped(helper("stop", "cat")));
  co_await until_state(c.pid(), 'T');
  const std::string input(3'000'000, 'a');
  {
    auto first = co_await beside(c.communicate(input));
    co_await breathe();
    first.cancel();
    co_await first.aborted();
  }
  c.send_signal(SIGCONT);
  auto writing = co_await beside(c.in().write("b"));
  std::string got;
  char block[4096];
  while (!writing.done()) got.append(block, co_await c.out().read_some(asio::buffer(block)));
  auto rest = co_await c.communicate("c");
  got += rest.out;
  BOOST_TEST(got.size() == input.size() + 2);
  BOOST_TEST(got.ends_with("abc"));
}

CO_TEST(output_limit_is_per_stream) {
  auto c = piped(helper("flood=1000", "flood-err=1000")).max_output(1000);
  auto started = co_await coproc::spawn(std::move(c));
  auto result = co_await started.communicate();
  BOOST_TEST(result.out.size() == 1000u);
  BOOST_TEST(result.err.size() == 1000u);
  auto more = piped(helper("flood=1000", "flood-err=1001")).max_output(1000);
  auto second = co_await coproc::spawn(std::move(more));
  auto e = co_await thrown_by<coproc::output_limit>(second.communicate());
  BOOST_TEST(e.out.size() == 1000u);
  BOOST_TEST(e.err.size() == 1000u);
}

CO_TEST(output_limit_of_nothing) {
  auto quiet = piped(helper("exit=0")).max_output(0);
  auto started = co_await coproc::spawn(std::move(quiet));
  auto result = co_await started.communicate();
  BOOST_TEST(result.out.empty());
  auto loud = piped(helper("out=x", "eof")).max_output(0);
  started = co_await coproc::spawn(std::move(loud));
  auto e = co_await thrown_by<coproc::output_limit>(started.communicate());
  BOOST_TEST(e.out.empty());
}

CO_TEST(grandchild_that_holds_the_pipes_delays_by_the_drain_grace_only) {
  auto c = piped(helper("grandchild", "out=done")).drain_grace(50ms);
  const auto start = std::chrono::steady_clock::now();
  auto started = co_await coproc::spawn(std::move(c));
  auto result = co_await started.communicate();
  const auto elapsed = std::chrono::steady_clock::now() - start;
  BOOST_REQUIRE(contains(result.out, "\n"));
  killed_at_end cleanup(std::stoi(result.out));
  BOOST_TEST((elapsed >= 50ms));
  BOOST_TEST((elapsed < 10s));
  BOOST_TEST(result.out.ends_with("done"));
  BOOST_TEST(result.status.success());
}

CO_TEST(all_that_was_written_before_the_end_is_read_in_any_case) {
  // More than one pipe's worth, and no time to wait for the end of the stream.
  auto c = piped(helper("grandchild", "flood=400000", "out=done")).drain_grace(0ms);
  auto started = co_await coproc::spawn(std::move(c));
  auto result = co_await started.communicate();
  killed_at_end cleanup(std::stoi(result.out));
  BOOST_TEST(result.out.ends_with("done"));
  BOOST_TEST(result.out.size() > 400'000u);
}

CO_TEST(all_of_it_is_read_even_in_small_pieces_and_without_a_grace) {
  short_transfers reads(os_call::read, 500);
  auto c = piped(helper("grandchild", "flood=60000", "out=done")).drain_grace(0ms);
  auto started = co_await coproc::spawn(std::move(c));
  co_await started.wait(); // all of it is in the pipe
  auto result = co_await started.communicate();
  killed_at_end cleanup(std::stoi(result.out));
  BOOST_TEST(result.out.ends_with("done"));
}

CO_TEST(short_reads_and_writes_lose_nothing) {
  short_transfers reads(os_call::read, 3);
  short_transfers writes(os_call::write, 2);
  const std::string input = "a text that takes many steps in both directions";
  auto c = co_await coproc::spawn(piped(helper("cat-both")));
  auto result = co_await c.communicate(input);
  BOOST_TEST(result.out == input);
  BOOST_TEST(result.err == input);
}

CO_TEST(false_alarms_lose_nothing) {
  fault reads(os_call::read, EAGAIN, 3);
  fault writes(os_call::write, EAGAIN, 3);
  auto c = co_await coproc::spawn(piped(helper("cat")));
  auto result = co_await c.communicate("text");
  BOOST_TEST(result.out == "text");
  BOOST_TEST(reads.hits() == 3u);
  BOOST_TEST(writes.hits() == 3u);
}

CO_TEST(failing_read_is_an_error_that_names_the_stream) {
  auto c = co_await coproc::spawn(piped(helper("out=text", "eof")));
  fault reads(os_call::read, EIO);
  auto e = co_await thrown_by<std::system_error>(c.communicate());
  BOOST_TEST((e.code() == std::errc::io_error));
  CHECK_CONTAINS(std::string(e.what()), "read");
}

CO_TEST(many_chatty_children_at_once) {
  std::vector<pending<coproc::completed>> all;
  for (int i = 0; i != 8; ++i)
    all.push_back(co_await beside(coproc::run(helper("cat-both").input(std::string(100'000, 'x')))));
  for (auto& one : all) {
    auto result = co_await one.result();
    BOOST_TEST(result.out.size() == 100'000u);
    BOOST_TEST(result.err.size() == 100'000u);
  }
}

CO_TEST(communicate_beside_wait_and_stop) {
  auto c = co_await coproc::spawn(piped(helper("say=on", "pause")));
  auto wait = co_await beside(c.wait());
  auto communicate = co_await beside(c.communicate());
  co_await breathe();
  BOOST_TEST(!wait.done());
  BOOST_TEST(!communicate.done());
  co_await c.stop();
  auto status = co_await wait.result();
  auto result = co_await communicate.result();
  BOOST_TEST((status == result.status));
}

BOOST_AUTO_TEST_SUITE_END()
