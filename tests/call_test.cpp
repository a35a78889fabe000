#include <coproc/call.hpp>

#include <coproc/called_process_error.hpp>
#include <coproc/timeout_expired.hpp>

#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/helper.hpp"
#include "support/host_state.hpp"
#include "support/leak_check.hpp"
#include "support/pending.hpp"
#include "support/process_info.hpp"

#include <chrono>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(call)

using coproc::command;
using coproc::stdio;

CO_TEST(gives_the_returncode) {
  int code = co_await coproc::call(helper("exit=0"));
  BOOST_TEST(code == 0);
  code = co_await coproc::call(helper("exit=42"));
  BOOST_TEST(code == 42);
  code = co_await coproc::call(helper("signal=15"));
  BOOST_TEST(code == -SIGTERM);
}

CO_TEST(streams_are_the_hosts) {
  scratch_directory scratch;
  auto in = open_descriptor(scratch.file("in", "from stdin"), O_RDONLY);
  auto out = open_descriptor(scratch.path() / "out", O_RDWR | O_CREAT);
  auto err = open_descriptor(scratch.path() / "err", O_RDWR | O_CREAT);
  int code = 0;
  {
    redirected zero(0, in.get());
    redirected one(1, out.get());
    redirected two(2, err.get());
    code = co_await coproc::call(helper("cat", "err=to stderr", "exit=5"));
  }
  BOOST_TEST(code == 5);
  BOOST_TEST(content_of(scratch.path() / "out") == "from stdin");
  BOOST_TEST(content_of(scratch.path() / "err") == "to stderr");
}

CO_TEST(group_is_the_hosts) {
  scratch_directory scratch;
  auto c = helper("pgid").out(stdio::file(scratch.path() / "out"));
  co_await coproc::call(std::move(c));
  BOOST_TEST(numbers(content_of(scratch.path() / "out")).at(0) == ::getpgid(0));
}

CO_TEST(checked_failure_is_an_exception) {
  auto c = helper("exit=3").check();
  auto e = co_await thrown_by<coproc::called_process_error>(coproc::call(std::move(c)));
  BOOST_TEST((e.status.code() == 3));
  BOOST_TEST(e.out.empty());
}

CO_TEST(timeout_is_an_exception) {
  auto c = helper("pause").timeout(30ms);
  auto e = co_await thrown_by<coproc::timeout_expired>(coproc::call(std::move(c)));
  BOOST_TEST((e.status.signal() == SIGTERM));
}

CO_TEST(start_failure_comes_through) {
  auto e = co_await thrown_by<std::system_error>(coproc::call(command("/no/such/program")));
  BOOST_TEST((e.code() == std::errc::no_such_file_or_directory));
}

CO_TEST_ONCE(cancellation_stops_and_reaps) {
  auto op = co_await beside(coproc::call(helper("pause")));
  co_await breathe();
  BOOST_TEST(!op.done());
  op.cancel();
  bool aborted = co_await op.aborted();
  BOOST_TEST(aborted);
  BOOST_TEST(no_children());
}

BOOST_AUTO_TEST_SUITE_END()
