// The launcher on systems that lack its first choice: each way must start, watch, signal and reap alike.
#include "os/launch.hpp"

#include <coproc/child.hpp>
#include <coproc/run.hpp>
#include <coproc/spawn.hpp>
#include <coproc/timeout_expired.hpp>

#include "support/build.hpp"
#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/fault.hpp"
#include "support/helper.hpp"
#include "support/host_state.hpp"
#include "support/pending.hpp"
#include "support/process_info.hpp"

#include <cerrno>
#include <chrono>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <signal.h>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(launch_fallback)

using coproc::command;
using coproc::exit_status;
using coproc::stdio;
using os_call = coproc::os::call;

/// All that depends on the way a child was started.
asio::awaitable<void> check_everything() {
  auto result = co_await coproc::run(helper("cat", "err=e", "fds", "pid", "pgid", "exit=3").input("text "));
  auto lines = split(result.out, '\n');
  BOOST_TEST(lines.at(0) == "text 0 1 2");
  BOOST_TEST(lines.at(1) == lines.at(2), "its group is its own");
  BOOST_TEST(result.err == "e");
  BOOST_TEST((result.status == exit_status::exited(3)));
  BOOST_TEST(result.usage.max_rss_bytes > 0u);

  auto e = co_await thrown_by<std::system_error>(coproc::spawn(command("/no/such/program")));
  BOOST_TEST((e.code() == std::errc::no_such_file_or_directory));
  CHECK_CONTAINS(std::string(e.what()), "/no/such/program");
  auto bad_cwd = helper("exit=0").cwd("/no/such/directory");
  e = co_await thrown_by<std::system_error>(coproc::spawn(std::move(bad_cwd)));
  CHECK_CONTAINS(std::string(e.what()), "/no/such/directory");

  auto c =
      co_await coproc::spawn(helper("ignore=15", "say=ready", "pause").in(stdio::null()).out(stdio::pipe()));
  auto waiter = co_await beside(c.wait());
  co_await c.out().read_line();
  co_await breathe();
  BOOST_TEST(!waiter.done());
  auto in_time = co_await c.wait(5ms);
  BOOST_TEST(!in_time);
  c.terminate();
  c.send_signal(0); // probes; harmless
  auto status = co_await c.stop(coproc::stop_policy(10ms));
  BOOST_TEST((status == exit_status::signaled(SIGKILL)));
  status = co_await waiter.result();
  BOOST_TEST((status == exit_status::signaled(SIGKILL)));
  c.kill(); // harmless

  int pid = 0;
  {
    auto dropped = co_await coproc::spawn(helper("pause").in(stdio::null()));
    pid = dropped.pid();
  }
  co_await until_state(pid, '-');

  auto slow = helper("out=x", "pause").timeout(30ms);
  co_await thrown_by<coproc::timeout_expired>(coproc::run(std::move(slow)));
}

CO_TEST(clone3_with_pidfd) { co_await check_everything(); }

CO_TEST(vfork_with_pidfd_open) {
  const bool uses_pidfd = built_with_pidfd();
  fault no_clone3(os_call::clone3, ENOSYS);
  co_await check_everything();
  BOOST_TEST((no_clone3.hits() > 0u) == uses_pidfd);
}

CO_TEST(vfork_where_a_container_forbids_clone3) {
  fault no_clone3(os_call::clone3, EPERM);
  co_await check_everything();
}

CO_TEST(vfork_that_is_a_fork) {
  // As in Valgrind and qemu-user.
  fault no_clone3(os_call::clone3, ENOSYS);
  fault copied(os_call::shared_memory, ENOSYS);
  co_await check_everything();
  BOOST_TEST(copied.hits() > 0u);
}

CO_TEST(a_closed_descriptor_is_not_taken_for_the_one_that_reports) {
  fault no_clone3(os_call::clone3, ENOSYS);
  fault copied(os_call::shared_memory, ENOSYS);
  for (int above = 0; above != 4; ++above) {
    const int closed = open_descriptor(::dup(2)).get() + above;
    auto inheriting = helper("exit=0").inherit_fd(closed);
    auto e = co_await thrown_by<std::system_error>(coproc::spawn(std::move(inheriting)));
    BOOST_TEST((e.code() == std::errc::bad_file_descriptor));
    auto redirected = helper("exit=0").out(stdio::fd(closed));
    e = co_await thrown_by<std::system_error>(coproc::spawn(std::move(redirected)));
    BOOST_TEST((e.code() == std::errc::bad_file_descriptor));
  }
}

CO_TEST(polling_without_pidfd) {
  const bool uses_pidfd = built_with_pidfd();
  fault no_clone3(os_call::clone3, ENOSYS);
  fault no_pidfd(os_call::pidfd_open, ENOSYS);
  co_await check_everything();
  BOOST_TEST((no_pidfd.hits() > 0u) == uses_pidfd);
}

CO_TEST(polling_where_pidfd_open_is_out_of_descriptors) {
  fault no_clone3(os_call::clone3, ENOSYS);
  fault no_pidfd(os_call::pidfd_open, EMFILE);
  co_await check_everything();
}

CO_TEST(kill_without_pidfd_send_signal) {
  const bool uses_pidfd = built_with_pidfd();
  fault no_send_signal(os_call::pidfd_send_signal, ENOSYS);
  co_await check_everything();
  BOOST_TEST((no_send_signal.hits() > 0u) == uses_pidfd);
}

CO_TEST(descriptors_are_closed_without_close_range) {
  fault no_close_range(os_call::close_range, ENOSYS);
  open_descriptor leaky(::dup(2));
  open_descriptor high(::fcntl(2, F_DUPFD, 700));
  open_descriptor kept(::fcntl(2, F_DUPFD_CLOEXEC, 300));
  std::vector<open_descriptor> many; // more than one listing of /proc/self/fd holds
  for (int i = 0; i != 200; ++i) many.emplace_back(::dup(2));
  auto c = helper("fds").inherit_fd(kept.get());
  auto result = co_await coproc::run(std::move(c));
  BOOST_TEST(result.out == "0 1 2 " + std::to_string(kept.get()) + "\n");
  BOOST_TEST(no_close_range.hits() > 0u);
  many.clear();
  co_await check_everything();
}

CO_TEST(readable_pidfd_that_cannot_be_reaped_yet_is_tried_again) {
  // As under a tracer, or a leak checker.
  auto c = co_await coproc::spawn(helper("exit=3").in(stdio::null()));
  co_await end_of(c.pid());
  std::optional<fault> not_yet;
  not_yet.emplace(os_call::waitid, EAGAIN, 20);
  auto status = co_await c.wait();
  BOOST_TEST((status == exit_status::exited(3)));
}

CO_TEST(interrupted_look_is_no_end) {
  fault interrupted(os_call::waitid, EINTR, 3);
  auto result = co_await coproc::run(helper("exit=3"));
  BOOST_TEST((result.status == exit_status::exited(3)));
}

BOOST_AUTO_TEST_SUITE_END()
