// Starting and ending a function process while system calls fail: nothing leaks, the error says what failed,
// and the same object can be started when that is over.
#include <coproc/process.hpp>

#include "os/socket.hpp"
#include "support/build.hpp"
#include "support/expect.hpp"
#include "support/fault.hpp"
#include "support/host_state.hpp"
#include "support/method_test.hpp"
#include "support/pending.hpp"
#include "support/unsendable.hpp"

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(worker_faults)

using coproc::process;
using coproc::process_options;
using coproc::start_method;
using coproc::stdio;
using coproc::target;
using os_call = coproc::os::call;

std::string doubled(std::string text) { return text + text; }

/// Starts it and asks for its result. @returns what failed; empty if nothing did.
asio::awaitable<std::string> attempt(process<std::string>& p, std::size_t size) {
  std::string what;
  try {
    co_await p.start();
    std::string back = co_await p.result();
    BOOST_TEST(back.size() == 2 * size);
  } catch (const std::system_error& error) {
    what = error.what();
  } catch (const coproc::error& error) { // bootstrap_error; process_died, where the fault was the child's
    what = error.what();
  }
  co_return what;
}

asio::awaitable<void> fail_at_every(start_method method, os_call which, int error) {
  constexpr std::size_t size = 50'000; // so that the result goes by a memory segment
  for (std::size_t skip = 0;; ++skip) {
    process<std::string> p(by(method).name("victim").out(stdio::pipe()).err(stdio::null()), target<doubled>,
                           std::string(size, 'x'));
    bool struck = false;
    std::string what;
    {
      fault injected(which, error, 1, skip);
      what = co_await attempt(p, size);
      struck = injected.hits() != 0;
    }
    BOOST_TEST_INFO_SCOPE("call " << static_cast<int>(which) << " after " << skip << ": " << what);
    if (!struck) {
      // A fork of the host may have met it in the child.
      if (method != start_method::fork) BOOST_TEST(what == "");
      break;
    }
    BOOST_REQUIRE(skip < 50);
    bool again = false;
    try {
      co_await p.start();
      again = true;
    } catch (const std::logic_error&) { // it did start; the fault was in what came after, or was mended
    }
    if (again) {
      CHECK_CONTAINS(what, method == start_method::forkserver && contains(what, "fork server") ? "fork server"
                                                                                               : "victim");
      std::string back = co_await p.result();
      BOOST_TEST(back.size() == 2 * size);
    } else if (!what.empty()) {
      co_await p.join();
    }
  }
}

METHOD_TEST_ONCE(no_descriptors) {
  for (os_call which : {os_call::socketpair, os_call::pipe, os_call::open}) {
    co_await fail_at_every(method, which, EMFILE);
    co_await fail_at_every(method, which, ENFILE);
  }
}

METHOD_TEST_ONCE(no_processes) {
  co_await fail_at_every(method, os_call::fork, EAGAIN);
  co_await fail_at_every(method, os_call::clone3, EAGAIN);
  fault no_clone3(os_call::clone3, ENOSYS);
  co_await fail_at_every(method, os_call::vfork, ENOMEM);
}

METHOD_TEST_ONCE(no_way_to_send) {
  for (int error : {EAGAIN, ENOBUFS, EPIPE, ETOOMANYREFS})
    co_await fail_at_every(method, os_call::sendmsg, error);
}

METHOD_TEST_ONCE(result_that_cannot_be_sent_is_an_error) {
  process p(by(method), target<many_ends>, coproc::os::max_descriptors + 1);
  co_await p.start();
  auto failure = co_await thrown_by<coproc::remote_error>([&] { return p.result(); });
  CHECK_CONTAINS(failure.message(), "the result can't be sent: it has more than 253 descriptors");
  BOOST_TEST(p.exitcode().value() == 1);
  for (int error : {ENOMEM, ENOBUFS, ETOOMANYREFS}) {
    process q(by(method), target<fail_to_send>, error, 1u);
    co_await q.start();
    failure = co_await thrown_by<coproc::remote_error>([&] { return q.result(); });
    CHECK_CONTAINS(failure.message(), "the result can't be sent: " + std::system_category().message(error));
    BOOST_TEST(q.exitcode().value() == 1);
  }
}

METHOD_TEST_ONCE(no_way_to_receive) {
  for (int error : {EAGAIN, ENOMEM, EMFILE}) co_await fail_at_every(method, os_call::recvmsg, error);
}

METHOD_TEST_ONCE(no_memory_to_share) {
  for (std::size_t skip = 0; skip != 3; ++skip) {
    fault injected(os_call::memfd_create, ENOMEM, 1, skip);
    try {
      process<std::string> p(by(method), target<doubled>, std::string(100'000, 'x'));
      co_await p.start();
      std::string back = co_await p.result();
      BOOST_TEST(back.size() == 200'000u);
    } catch (const std::system_error&) {          // large arguments, in the host
    } catch (const coproc::remote_error& error) { // a large result, in a fork of it
      BOOST_TEST(static_cast<int>(method) == static_cast<int>(start_method::fork));
    }
  }
}

CO_TEST_ONCE(fork_that_fails_in_the_server) {
  host_variable failing("COPROC_TEST_FAULT", "fork 11 2"); // EAGAIN, twice, in a server that starts now
  process<std::string> p(process_options().name("victim"), target<doubled>, "x");
  for (int i = 0; i != 2; ++i) {
    auto error = co_await thrown_by<std::system_error>(p.start());
    BOOST_TEST((error.code() == std::errc::resource_unavailable_try_again));
    CHECK_CONTAINS(std::string(error.what()), "start 'victim': cannot fork");
    BOOST_TEST(!p.is_alive());
  }
  co_await p.start();
  std::string back = co_await p.result();
  BOOST_TEST(back == "xx");
}

CO_TEST_ONCE(signals_without_pidfd_send_signal) {
  fault refused(os_call::pidfd_send_signal, ENOSYS);
  for (start_method method : {start_method::forkserver, start_method::spawn, start_method::fork}) {
    process<void> p(by(method), target<[] {
                      for (;;) ::pause();
                    }>);
    co_await p.start();
    p.terminate();
    co_await p.join();
    BOOST_TEST(p.exitcode().value() == -SIGTERM);
    process<void> dropped(by(method), target<[] {
                            for (;;) ::pause();
                          }>);
    co_await dropped.start();
  }
  BOOST_TEST((refused.hits() > 0u || !built_with_pidfd()));
}

METHOD_TEST_ONCE(signal_that_cannot_be_sent_is_an_error) {
  process<void> p(by(method).name("victim"), target<[] {
                    for (;;) ::pause();
                  }>);
  co_await p.start();
  if (built_with_pidfd()) {
    fault refused(os_call::pidfd_send_signal, EINVAL);
    CHECK_CONTAINS(message_of<std::system_error>([&p] { p.terminate(); }),
                   "send signal 15 to process 'victim': Invalid argument");
  }
  BOOST_TEST(p.is_alive());
  p.kill();
  co_await p.join();
  BOOST_TEST(p.exitcode().value() == -SIGKILL);
}

METHOD_TEST_ONCE(host_at_its_limit_of_descriptors_and_back) {
  {
    process<std::string> p(by(method), target<doubled>, std::string(100'000, 'x'));
    co_await p.start(); // the loop has its own descriptors, and the server is there
    co_await p.result();
  }
  std::size_t failed = 0;
  for (rlim_t limit = 3; limit != 30; ++limit) { // every number of those that are free now
    process<std::string> p(by(method).out(stdio::pipe()), target<doubled>, "x");
    std::string what;
    {
      lowered_limit few(RLIMIT_NOFILE, limit);
      what = co_await attempt(p, 1);
    }
    if (what.empty()) continue;
    ++failed;
    CHECK_CONTAINS(what, p.name());
    try {
      co_await p.start();
    } catch (const std::logic_error&) { // it had started
    }
    try {
      std::string back = co_await p.result();
      BOOST_TEST(back == "xx");
    } catch (const coproc::process_died&) { // a child that had no room itself
    }
  }
  BOOST_TEST(failed > 0u);
}

CO_TEST_ONCE(result_that_finds_no_descriptor_can_be_asked_for_again) {
  process<std::string> p(process_options(), target<doubled>, std::string(100'000, 'x'));
  co_await p.start();
  co_await p.join();
  {
    lowered_limit none(RLIMIT_NOFILE, 3);
    auto error = co_await thrown_by<std::system_error>([&] { return p.result(); });
    BOOST_TEST((error.code() == std::errc::too_many_files_open));
    CHECK_CONTAINS(std::string(error.what()), p.name());
  }
  std::string back = co_await p.result();
  BOOST_TEST(back.size() == 200'000u);
}

unsigned mask_of_child() { return ::umask(0); }

CO_TEST_ONCE(host_at_its_limit_of_descriptors_gives_no_child_another_umask) {
  if (sanitized) co_return; // UBSan needs a descriptor to look at an object's type
  {
    process p{target<mask_of_child>};
    co_await p.start(); // the loop has its own descriptors, and the server is there
    co_await p.result();
  }
  const mode_t before = ::umask(077);
  std::jthread other([] {}); // it is asked in another way where there are threads
  for (rlim_t limit = 3; limit != 30; ++limit) {
    process p{target<mask_of_child>};
    try {
      lowered_limit few(RLIMIT_NOFILE, limit);
      co_await p.start();
    } catch (const std::system_error&) {
      continue;
    }
    const unsigned mask = co_await p.result();
    BOOST_TEST(mask == 077u);
  }
  ::umask(before);
}

// A target that writes to what is not its own.

struct header { // as lib/ipc/packet.hpp has it
  std::uint32_t kind;
  std::uint32_t in_segment;
  std::uint64_t size;
  std::uint64_t descriptors;
};

/// Sends a packet to every socket that the process has.
void send_to_all(const void* data, std::size_t size) {
  for (int fd = 3; fd != 64; ++fd) ::send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

int vandal(int what) {
  const std::string noise(100'000, '\xff');
  header forged{};
  switch (what) {
  case 0: // nothing but bytes
    send_to_all(noise.data(), noise.size());
    break;
  case 1: // too short for a header
    send_to_all(noise.data(), 3);
    break;
  case 2: // empty
    send_to_all(noise.data(), 0);
    break;
  default: // headers that lie
    for (std::uint32_t kind = 0; kind != 8; ++kind) {
      forged = {kind, what == 3 ? 1u : 0u, what == 4 ? ~std::uint64_t(0) : 0, what == 5 ? 1000u : 0u};
      std::string packet(reinterpret_cast<const char*>(&forged), sizeof forged);
      if (what == 6) { // a right one, about nonsense
        packet += noise.substr(0, 100);
        forged.size = 100;
        packet.replace(0, sizeof forged, reinterpret_cast<const char*>(&forged), sizeof forged);
      }
      if (what == 7 + static_cast<int>(kind) || what < 7) send_to_all(packet.data(), packet.size());
    }
  }
  if (what % 2) ::_exit(0);
  return what;
}

METHOD_TEST_ONCE(what_a_target_writes_to_its_channel_harms_nobody) {
  if (method == start_method::fork) co_return; // has the host's descriptors
  for (int what = 0; what != 15; ++what) {
    process<int> p(by(method), target<vandal>, what);
    co_await p.start();
    try {
      int back = co_await p.result();
      BOOST_TEST(back == what);
    } catch (const coproc::error&) { // wire::error, process_died, remote_error
    }
    co_await p.join();
    BOOST_TEST(p.exitcode().value() == 0);
  }
  process<std::string> p(by(method), target<doubled>, "x");
  co_await p.start();
  std::string back = co_await p.result();
  BOOST_TEST(back == "xx");
}

BOOST_AUTO_TEST_SUITE_END()
