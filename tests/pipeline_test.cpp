#include <coproc/pipeline.hpp>

#include <coproc/called_process_error.hpp>
#include <coproc/check_output.hpp>
#include <coproc/run.hpp>
#include <coproc/timeout_expired.hpp>

#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/helper.hpp"
#include "support/pending.hpp"
#include "support/process_info.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <chrono>
#include <exception>
#include <string>
#include <system_error>

#include <signal.h>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(pipeline)

using coproc::command;
using coproc::exit_status;
using coproc::stdio;

BOOST_AUTO_TEST_CASE(stages_are_kept_in_order) {
  coproc::pipeline p = command("a") | command("b", "two words") | command("c");
  BOOST_TEST(p.stages().size() == 3u);
  BOOST_TEST(p.to_string() == "a | b 'two words' | c");
}

BOOST_AUTO_TEST_CASE(inner_streams_must_be_free) {
  auto refused = [](command first, command second) {
    BOOST_CHECK_THROW(std::move(first) | std::move(second), std::invalid_argument);
  };
  refused(command("a").out(stdio::null()), command("b"));
  refused(command("a"), command("b").in(stdio::null()));
  refused(command("a"), command("b").input("x"));
  BOOST_CHECK_NO_THROW(command("a").input("x") | command("b").out(stdio::null()));
}

CO_TEST(connects_each_stdout_to_the_next_stdin) {
  auto p = helper("out=hello") | helper("cat") | helper("cat", "out=!");
  auto result = co_await coproc::run(std::move(p));
  BOOST_TEST(result.out == "hello!");
  BOOST_TEST(result.status.success());
  BOOST_TEST(result.statuses.size() == 3u);
  for (const auto& status : result.statuses) BOOST_TEST(status.success());
  BOOST_TEST(result.elapsed.count() > 0);
}

CO_TEST(first_stage_takes_the_input) {
  auto p = helper("cat").input("from the host") | helper("cat");
  auto result = co_await coproc::run(std::move(p));
  BOOST_TEST(result.out == "from the host");
}

CO_TEST(first_stage_has_no_input_by_default) {
  auto p = helper("cat", "out=end") | helper("cat");
  auto result = co_await coproc::run(std::move(p));
  BOOST_TEST(result.out == "end");
}

CO_TEST(more_than_the_pipes_hold_goes_through) {
  const std::size_t size = 3'000'000;
  auto p = helper("cat").input(std::string(size, 'x')) | helper("cat") | helper("cat");
  auto result = co_await coproc::run(std::move(p));
  BOOST_TEST(result.out.size() == size);
}

CO_TEST(errors_of_all_stages_come_stage_after_stage) {
  auto p = helper("err=one ", "eof") | helper("eof", "err=two ") | helper("eof", "err=three");
  auto result = co_await coproc::run(std::move(p));
  BOOST_TEST(result.err == "one two three");
}

CO_TEST(directory_is_that_of_all_stages_without_their_own) {
  auto p = helper("cwd") | helper("cat", "cwd").cwd("/usr") | helper("cat", "cwd");
  auto result = co_await coproc::run(std::move(p).cwd("/usr/lib").cwd("/"));
  BOOST_TEST(result.out == "/\n/usr\n/\n");
}

CO_TEST(variables_are_those_of_all_stages_but_a_stage_has_the_last_word) {
  auto p = helper("env=A", "env=B") | helper("cat", "env=A", "env=B").env("A", "own").unset_env("B");
  auto result = co_await coproc::run(
      (std::move(p).env("A", "0").env("A", "all").env("B", "b") | helper("cat", "env=A", "env=B").clear_env())
          .unset_env("C"));
  BOOST_TEST(result.out == "all\nb\nown\n(unset)\nall\nb\n");
}

BOOST_AUTO_TEST_CASE(options_of_all_stages_are_checked) {
  coproc::pipeline p = command("a") | command("b");
  BOOST_CHECK_THROW(p.cwd(""), std::invalid_argument);
  BOOST_CHECK_THROW(p.env("", "x"), std::invalid_argument);
  BOOST_CHECK_THROW(p.env("A=", "x"), std::invalid_argument);
  BOOST_CHECK_THROW(p.unset_env(""), std::invalid_argument);
}

CO_TEST(status_is_that_of_the_last_stage_that_failed) {
  auto p = helper("exit=3") | helper("eof", "exit=4") | helper("eof");
  auto result = co_await coproc::run(std::move(p));
  BOOST_TEST((result.status == exit_status::exited(4)));
  BOOST_TEST((result.statuses[0] == exit_status::exited(3)));
  BOOST_TEST((result.statuses[1] == exit_status::exited(4)));
  BOOST_TEST((result.statuses[2] == exit_status::exited(0)));
}

CO_TEST(a_stage_that_ends_early_ends_its_producer_with_sigpipe) {
  auto p = helper("flood=0") | helper("read=10", "out=enough");
  auto result = co_await coproc::run(std::move(p));
  BOOST_TEST(result.out == "enough");
  BOOST_TEST((result.statuses[0] == exit_status::signaled(SIGPIPE)));
  BOOST_TEST(result.statuses[1].success());
  BOOST_TEST((result.status == exit_status::signaled(SIGPIPE)), "pipefail");
}

CO_TEST(stages_hold_no_pipe_but_their_own) {
  auto p = helper("fds", "err=.") | helper("cat", "fds") | helper("cat", "fds");
  auto result = co_await coproc::run(std::move(p));
  BOOST_TEST(result.out == "0 1 2\n0 1 2\n0 1 2\n");
}

CO_TEST(each_stage_leads_a_group_of_its_own) {
  auto p = helper("pid", "pgid") | helper("cat", "pid", "pgid");
  auto result = co_await coproc::run(std::move(p));
  auto ids = numbers(result.out);
  BOOST_REQUIRE(ids.size() == 4u);
  BOOST_TEST(ids[0] == ids[1]);
  BOOST_TEST(ids[2] == ids[3]);
  BOOST_TEST(ids[0] != ids[2]);
}

CO_TEST(a_stage_that_cannot_start_ends_those_before_it) {
  auto p = helper("pause") | helper("pause") | command("/nonexistent/prog");
  auto e = co_await thrown_by<std::system_error>(coproc::run(std::move(p)));
  BOOST_TEST((e.code() == std::errc::no_such_file_or_directory));
  CHECK_CONTAINS(std::string(e.what()), "/nonexistent/prog");
}

CO_TEST(check_throws_unless_every_stage_succeeds) {
  auto p = (helper("exit=3", "err=x") | helper("eof", "out=kept")).check();
  auto e = co_await thrown_by<coproc::called_process_error>(coproc::run(std::move(p)));
  BOOST_TEST((e.status == exit_status::exited(3)));
  BOOST_TEST(e.out == "kept");
  CHECK_CONTAINS(e.command, " | ");
}

CO_TEST(check_output_gives_the_last_stdout) {
  auto good = helper("out=abc") | helper("cat");
  std::string out = co_await coproc::check_output(std::move(good));
  BOOST_TEST(out == "abc");
  auto bad = helper("exit=3") | helper("cat");
  auto e = co_await thrown_by<coproc::called_process_error>(coproc::check_output(std::move(bad)));
  BOOST_TEST((e.status == exit_status::exited(3)));
}

CO_TEST(timeout_stops_all_stages) {
  // Until there was time enough for the output to come through, on a busy machine, too.
  for (coproc::duration limit = 50ms;; limit *= 2) {
    auto p = (helper("out=begun", "pause") | helper("cat") | helper("cat")).timeout(limit);
    auto e = co_await thrown_by<coproc::timeout_expired>(coproc::run(std::move(p)));
    BOOST_TEST((e.timeout == limit));
    if (e.out == "begun") break;
    BOOST_REQUIRE(limit < deadline());
  }
}

CO_TEST(timeout_of_one_stage_stops_all) {
  auto p = helper("pause") | helper("pause").timeout(50ms) | helper("pause");
  auto e = co_await thrown_by<coproc::timeout_expired>(coproc::run(std::move(p)));
  BOOST_TEST(!e.status.success());
}

BOOST_AUTO_TEST_CASE(stages_that_run_are_killed_at_once_if_another_cannot_start_whatever_their_timeout) {
  asio::io_context context;
  std::exception_ptr error;
  asio::co_spawn(context, coproc::run((helper("pause") | command("/no/such/program")).timeout(1h)),
                 [&](std::exception_ptr e, auto) { error = e; });
  context.run(); // and the timeout keeps nothing going
  BOOST_REQUIRE(error);
  BOOST_CHECK_THROW(std::rethrow_exception(error), std::system_error);
  // That they are gone is checked after each test.
}

CO_TEST_ONCE(cancellation_stops_all_stages) {
  auto p = helper("pause") | helper("pause") | helper("eof");
  auto op = co_await beside(coproc::run(std::move(p)));
  co_await breathe();
  BOOST_TEST(!op.done());
  op.cancel();
  bool aborted = co_await op.aborted();
  BOOST_TEST(aborted); // that they are gone is checked after each test
}

CO_TEST(merged_stderr_goes_down_the_pipe) {
  auto p = helper("err=oops").err(stdio::merge()) | helper("cat");
  auto result = co_await coproc::run(std::move(p));
  BOOST_TEST(result.out == "oops");
  BOOST_TEST(result.err.empty());
}

CO_TEST(moved_from_pipeline_is_refused) {
  auto p = helper("pause") | helper("pause");
  auto taken = std::move(p);
  (void)co_await thrown_by<std::logic_error>(coproc::run(std::move(p)));
  (void)co_await thrown_by<std::logic_error>(coproc::check_output(std::move(p)));
  BOOST_CHECK_THROW(p.cwd("/"), std::logic_error);
  BOOST_CHECK_THROW(p.env("KEY", "value"), std::logic_error);
  BOOST_CHECK_THROW(p.unset_env("KEY"), std::logic_error);
  BOOST_CHECK_THROW(std::move(p) | helper("pause"), std::logic_error);
}

CO_TEST(usage_is_added_up) {
  auto p = helper("burn=20") | helper("burn=20");
  auto result = co_await coproc::run(std::move(p));
  BOOST_TEST((result.usage.user + result.usage.system >= 36ms));
}

BOOST_AUTO_TEST_SUITE_END()
