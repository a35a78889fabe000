#include <coproc/run.hpp>

#include <coproc/called_process_error.hpp>
#include <coproc/output_limit.hpp>
#include <coproc/timeout_expired.hpp>

#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/helper.hpp"
#include "support/host_state.hpp"
#include "support/leak_check.hpp"
#include "support/pending.hpp"
#include "support/process_info.hpp"

#include <asio/post.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <signal.h>
#include <unistd.h>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(run)

using clock = std::chrono::steady_clock;
using coproc::command;
using coproc::exit_status;
using coproc::stdio;
using coproc::stop_policy;

CO_TEST(captures_both_outputs_and_the_status) {
  auto result = co_await coproc::run(helper("out=to stdout", "err=to stderr", "exit=3"));
  BOOST_TEST(result.out == "to stdout");
  BOOST_TEST(result.err == "to stderr");
  BOOST_TEST((result.status == exit_status::exited(3)));
  BOOST_TEST(result.statuses.size() == 1u);
  BOOST_TEST((result.statuses.at(0) == result.status));
}

CO_TEST(stdin_is_null_by_default) {
  auto result = co_await coproc::run(helper("link=/proc/self/fd/0", "cat", "out=end"));
  BOOST_TEST(result.out == "/dev/null\nend");
}

CO_TEST(input_is_fed_while_output_is_drained) {
  std::string input(1'500'000, 'x');
  auto c = helper("cat-both").input(input);
  auto result = co_await coproc::run(std::move(c));
  BOOST_TEST((result.out == input));
  BOOST_TEST((result.err == input));
}

CO_TEST(stream_that_the_command_sends_elsewhere_is_not_captured) {
  scratch_directory scratch;
  auto c = helper("out=x", "err=y").out(stdio::file(scratch.path() / "f"));
  auto result = co_await coproc::run(std::move(c));
  BOOST_TEST(result.out.empty());
  BOOST_TEST(result.err == "y");
  BOOST_TEST(content_of(scratch.path() / "f") == "x");
}

CO_TEST(stdin_as_a_pipe_without_input_is_closed) {
  auto c = helper("cat", "out=end").in(stdio::pipe());
  auto result = co_await coproc::run(std::move(c));
  BOOST_TEST(result.out == "end");
}

CO_TEST(failure_is_no_exception_unless_checked) {
  auto result = co_await coproc::run(helper("exit=1"));
  BOOST_TEST(!result.status.success());
  auto checked = helper("out=so far", "err=the reason", "exit=1").check();
  auto e = co_await thrown_by<coproc::called_process_error>(coproc::run(std::move(checked)));
  BOOST_TEST((e.status == exit_status::exited(1)));
  BOOST_TEST(e.out == "so far");
  BOOST_TEST(e.err == "the reason");
  CHECK_CONTAINS(e.command, helper_path());
  BOOST_TEST(std::string(e.what()).ends_with("the reason"));
  auto fine = helper("exit=0").check();
  result = co_await coproc::run(std::move(fine));
  BOOST_TEST(result.status.success());
  auto killed = helper("signal=9").check();
  e = co_await thrown_by<coproc::called_process_error>(coproc::run(std::move(killed)));
  BOOST_TEST((e.status == exit_status::signaled(SIGKILL)));
}

CO_TEST(usage_and_elapsed_time_are_reported) {
  const auto start = clock::now();
  auto result = co_await coproc::run(helper("burn=30", "touch=20000000"));
  const auto around = clock::now() - start;
  BOOST_TEST((result.usage.user + result.usage.system >= 28ms));
  BOOST_TEST(result.usage.max_rss_bytes > 20'000'000u);
  BOOST_TEST((result.elapsed >= 28ms));
  BOOST_TEST((result.elapsed <= around));
}

CO_TEST(timeout_keeps_the_output) {
  // On a busy machine the child may not come to write anything in the first of them.
  for (auto limit = 100ms;; limit *= 4) {
    auto c = helper("out=partial", "err=reason", "pause").timeout(limit);
    const auto start = clock::now();
    auto e = co_await thrown_by<coproc::timeout_expired>(coproc::run(std::move(c)));
    BOOST_TEST((clock::now() - start >= limit));
    BOOST_TEST((e.timeout == limit));
    BOOST_TEST((e.status == exit_status::signaled(SIGTERM)));
    CHECK_CONTAINS(e.command, "pause");
    if (e.err.empty() && limit < 10s) continue;
    BOOST_TEST(e.out == "partial");
    BOOST_TEST(e.err == "reason");
    break;
  }
}

CO_TEST(timeout_of_a_shell_line_returns_promptly) {
  // The shell is not the one that sleeps: its child has to go, too, or the pipes stay open.
  auto c = command::shell("'" + helper_path() + "' pause; true").timeout(50ms);
  const auto start = clock::now();
  co_await thrown_by<coproc::timeout_expired>(coproc::run(std::move(c)));
  BOOST_TEST((clock::now() - start < 10s));
}

CO_TEST(output_limit_stops_the_program) {
  auto c = helper("err=reason", "flood=0").max_output(5000);
  auto e = co_await thrown_by<coproc::output_limit>(coproc::run(std::move(c)));
  BOOST_TEST(e.out.size() == 5000u);
  BOOST_TEST(e.err == "reason");
  BOOST_TEST(e.limit == 5000u);
}

CO_TEST(grandchild_that_holds_the_pipes_does_not_hold_the_result) {
  auto c = helper("grandchild", "out=done").drain_grace(30ms);
  auto result = co_await coproc::run(std::move(c));
  BOOST_REQUIRE(!result.out.empty());
  killed_at_end cleanup(std::stoi(result.out));
  BOOST_TEST(result.out.ends_with("done"));
  BOOST_TEST(result.status.success());
}

CO_TEST(grandchild_does_not_hold_a_timeout) {
  auto c = helper("stubborn-grandchild", "pause").timeout(50ms).drain_grace(10s);
  const auto start = clock::now();
  auto e = co_await thrown_by<coproc::timeout_expired>(coproc::run(std::move(c)));
  // The whole group was killed, so there was nothing to wait for.
  BOOST_TEST((clock::now() - start < 8s));
  if (!e.out.empty()) co_await end_of(std::stoi(e.out));
}

CO_TEST(stranger_that_holds_the_pipes_delays_a_timeout_by_the_drain_grace_only) {
  auto c = helper("stranger", "pause").timeout(100ms).drain_grace(50ms);
  const auto start = clock::now();
  auto e = co_await thrown_by<coproc::timeout_expired>(coproc::run(std::move(c)));
  BOOST_TEST((clock::now() - start < 8s));
  if (!e.out.empty()) killed_at_end cleanup(std::stoi(e.out));
}

CO_TEST_ONCE(cancellation_carries_out_the_stop_policy_and_reaps) {
  auto ends = make_pipe();
  auto c = helper("report=15", "say=ready", "pause").out(stdio::fd(ends.second.get()));
  auto op = co_await beside(coproc::run(std::move(c)));
  co_await breathe();
  BOOST_TEST(!op.done());
  ends.second.close();
  char ready[6];
  BOOST_TEST(::read(ends.first.get(), ready, 6) == 6);
  op.cancel();
  bool aborted = co_await op.aborted();
  BOOST_TEST(aborted);
  BOOST_TEST(read_to_end(ends.first.get()) == "signal 15\n"); // asked first
}

/// run() of a child that ignores SIGTERM and has said so.
asio::awaitable<std::optional<pending<coproc::completed>>> run_stubborn(coproc::stop_policy policy) {
  auto [read_end, write_end] = make_pipe();
  auto c = helper("ignore=15", "say=ready", "pause").out(stdio::fd(write_end.get())).stop(policy);
  auto op = co_await beside(coproc::run(std::move(c)));
  co_await breathe();
  char ready[6];
  BOOST_TEST(::read(read_end.get(), ready, 6) == 6);
  co_return std::move(op);
}

CO_TEST_ONCE(cancelled_run_completes_only_when_the_child_is_reaped) {
  auto op = co_await run_stubborn(stop_policy(100ms));
  const auto start = clock::now();
  op->cancel();
  co_await breathe();
  BOOST_TEST(!op->done());
  bool aborted = co_await op->aborted();
  BOOST_TEST(aborted);
  BOOST_TEST((clock::now() - start >= 100ms));
  BOOST_TEST(no_children());
}

CO_TEST_ONCE(second_cancellation_kills_at_once) {
  auto op = co_await run_stubborn(stop_policy(1h));
  op->cancel();
  co_await breathe();
  BOOST_TEST(!op->done());
  op->cancel();
  bool aborted = co_await op->aborted();
  BOOST_TEST(aborted);
}

CO_TEST(start_failure_comes_through) {
  auto e = co_await thrown_by<std::system_error>(coproc::run(command("/no/such/program")));
  BOOST_TEST((e.code() == std::errc::no_such_file_or_directory));
}

CO_TEST(result_has_an_empty_state) {
  coproc::completed empty;
  BOOST_TEST(empty.out.empty());
  BOOST_TEST(empty.statuses.empty());
  BOOST_CHECK_THROW((void)empty.status.success(), std::logic_error);
  auto result = co_await coproc::run(helper("exit=0"));
  empty = result;
  BOOST_TEST(empty.status.success());
}

CO_TEST(sequence_of_runs_on_one_loop) {
  for (int i = 0; i != 20; ++i) {
    auto result = co_await coproc::run(helper("out=" + std::to_string(i)));
    BOOST_TEST(result.out == std::to_string(i));
  }
}

CO_TEST_ONCE(runs_that_fail_let_the_loop_breathe) {
  bool ran = false;
  asio::post(co_await this_executor(), [&] { ran = true; });
  for (int i = 0; i != 300 && !ran; ++i)
    (void)co_await thrown_by<std::system_error>(coproc::run(coproc::command("/no/such/program")));
  BOOST_TEST(ran);
}

CO_TEST(what_shows_all_of_a_stderr_with_a_nul) {
  auto c = command("/bin/sh", "-c", "printf 'a\\0b\\nthe reason' >&2; exit 1").check();
  auto e = co_await thrown_by<coproc::called_process_error>(coproc::run(std::move(c)));
  BOOST_TEST(std::string(e.what()).ends_with("a?b\nthe reason"));
  BOOST_TEST(e.err.size() == 14u);
}

CO_TEST_ONCE(host_variables_without_a_value_are_passed_on_as_they_are) {
  std::vector<char*> variables;
  char odd[] = "ODD", empty[] = "";
  for (char** at = environ; *at; ++at) variables.push_back(*at);
  variables.insert(variables.end(), {odd, empty, nullptr});
  char** const before = std::exchange(environ, variables.data());
  auto c = command("/usr/bin/env").env("ANOTHER", "1");
  auto result = co_await coproc::run(std::move(c));
  environ = before;
  const std::string out = '\n' + result.out;
  BOOST_TEST(out.find("\nODD\n") != std::string::npos);
  BOOST_TEST(out.find("\n=") == std::string::npos);
  BOOST_TEST(out.find("\nANOTHER=1\n") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
