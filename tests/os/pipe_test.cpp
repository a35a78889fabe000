#include "os/pipe.hpp"

#include "support/expect.hpp"
#include "support/fault.hpp"
#include "support/host_state.hpp"

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <cerrno>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <signal.h>

using namespace coproc::test;
namespace os = coproc::os;

BOOST_AUTO_TEST_SUITE(pipes)

BOOST_AUTO_TEST_CASE(both_ends_are_close_on_exec_and_the_hosts_does_not_block) {
  for (os::host_end end : {os::host_end::read, os::host_end::write}) {
    auto ends = os::make_pipe(end, "test");
    BOOST_TEST(::fcntl(ends.read.get(), F_GETFD) == FD_CLOEXEC);
    BOOST_TEST(::fcntl(ends.write.get(), F_GETFD) == FD_CLOEXEC);
    BOOST_TEST(bool(::fcntl(ends.read.get(), F_GETFL) & O_NONBLOCK) == (end == os::host_end::read));
    BOOST_TEST(bool(::fcntl(ends.write.get(), F_GETFL) & O_NONBLOCK) == (end == os::host_end::write));
  }
  auto between = os::make_pipe_between("test");
  BOOST_TEST(!(::fcntl(between.read.get(), F_GETFL) & O_NONBLOCK));
  BOOST_TEST(!(::fcntl(between.write.get(), F_GETFL) & O_NONBLOCK));
}

BOOST_AUTO_TEST_CASE(failure_names_what_it_was_for) {
  fault no_pipe(os::call::pipe, EMFILE);
  auto message = message_of<std::system_error>([] { os::make_pipe(os::host_end::read, "a purpose"); });
  CHECK_CONTAINS(message, "a purpose");
}

BOOST_AUTO_TEST_CASE(reads_tell_nothing_yet_from_the_end) {
  auto ends = os::make_pipe(os::host_end::read, "test");
  char buffer[16];
  BOOST_TEST(os::try_read(ends.read.get(), buffer, sizeof buffer).error == EAGAIN);
  BOOST_TEST(os::available(ends.read.get()) == 0u);
  BOOST_TEST(os::try_write(ends.write.get(), "abc", 3).size == 3u);
  BOOST_TEST(os::available(ends.read.get()) == 3u);
  auto got = os::try_read(ends.read.get(), buffer, sizeof buffer);
  BOOST_TEST(got.error == 0);
  BOOST_TEST(std::string(buffer, got.size) == "abc");
  ends.write.reset();
  got = os::try_read(ends.read.get(), buffer, sizeof buffer);
  BOOST_TEST(got.error == 0);
  BOOST_TEST(got.size == 0u);
}

BOOST_AUTO_TEST_CASE(full_pipe_is_no_error_of_its_own) {
  auto ends = os::make_pipe(os::host_end::write, "test");
  const std::string much(1 << 20, 'x');
  std::size_t written = 0;
  for (;;) {
    auto result = os::try_write(ends.write.get(), much.data(), much.size());
    if (result.error != 0) {
      BOOST_TEST(result.error == EAGAIN);
      break;
    }
    written += result.size;
  }
  BOOST_TEST(written >= os::default_capacity);
  os::enlarge(ends.write.get());
  BOOST_TEST(os::try_write(ends.write.get(), much.data(), 1).size == 1u, "now there is room");
}

BOOST_AUTO_TEST_CASE(closed_reader_is_epipe_in_any_thread_and_no_signal) {
  // Left at its default disposition SIGPIPE would end this process.
  for (int fallback : {0, EOPNOTSUPP}) {
    fault no_flag(os::call::pwritev2, fallback);
    std::atomic<int> broken{0}, left_pending{0};
    std::vector<std::thread> threads;
    for (int i = 0; i != 4; ++i)
      threads.emplace_back([&] {
        auto ends = os::make_pipe(os::host_end::write, "test");
        ends.read.reset();
        for (int j = 0; j != 50; ++j) broken += os::try_write(ends.write.get(), "x", 1).error == EPIPE;
        sigset_t waiting;
        ::sigpending(&waiting);
        left_pending += ::sigismember(&waiting, SIGPIPE);
      });
    for (auto& thread : threads) thread.join();
    BOOST_TEST(broken == 200);
    BOOST_TEST(left_pending == 0);
  }
}

BOOST_AUTO_TEST_CASE(sigpipe_that_the_host_has_pending_stays_pending) {
  fault no_flag(os::call::pwritev2, EOPNOTSUPP);
  blocked_signals blocked;
  ::raise(SIGPIPE);
  auto ends = os::make_pipe(os::host_end::write, "test");
  ends.read.reset();
  BOOST_TEST(os::try_write(ends.write.get(), "x", 1).error == EPIPE);
  sigset_t waiting;
  ::sigpending(&waiting);
  BOOST_TEST(::sigismember(&waiting, SIGPIPE) == 1);
  sigset_t pipe_only;
  ::sigemptyset(&pipe_only);
  ::sigaddset(&pipe_only, SIGPIPE);
  int number = 0;
  ::sigwait(&pipe_only, &number); // takes it, so that unblocking is harmless
  BOOST_TEST(number == SIGPIPE);
}

BOOST_AUTO_TEST_SUITE_END()
