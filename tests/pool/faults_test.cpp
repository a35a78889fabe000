// What the system refuses: memory, descriptors, processes.
#include <coproc/pool.hpp>

#include "pool/targets.hpp"
#include "support/co_test.hpp"
#include "support/comes_true.hpp"
#include "support/expect.hpp"
#include "support/fault.hpp"
#include "support/host_state.hpp"
#include "support/method_test.hpp"
#include "support/pending.hpp"

#include <cerrno>
#include <cstddef>
#include <fstream>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <sys/resource.h>
#include <unistd.h>

using namespace coproc::test;

BOOST_AUTO_TEST_SUITE(pool_faults)

namespace t = coproc::test::pool_targets;
using coproc::async_result;
using coproc::pool_options;
using t::announcements;

namespace {

int throw_text_of(std::size_t size) { throw std::runtime_error(std::string(size, 'x')); }

/// @returns how much this process has, in bytes.
rlim_t address_space() {
  rlim_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE));
}

} // namespace

CO_TEST_ONCE(a_task_that_finds_no_memory_fails_and_its_worker_lives) {
  coproc::pool workers(co_await this_executor(), 1);
  const int before = co_await workers.apply<t::own_pid>();
  auto error = co_await thrown_by<coproc::remote_error>(workers.apply<t::throw_bad_alloc>());
  CHECK_CONTAINS(error.type(), "bad_alloc");
  const int after = co_await workers.apply<t::own_pid>();
  BOOST_TEST(before == after);
}

CO_TEST_ONCE(an_error_that_the_host_has_no_memory_for_fails_its_task_only) {
  if (sanitized) co_return; // they take address space as they like
  constexpr std::size_t size = 128 << 20;
  coproc::pool workers(co_await this_executor(), 1);
  const int before = co_await workers.apply<t::own_pid>();
  {
    lowered_limit one_more(RLIMIT_AS, address_space() + size * 3 / 2); // which is the packet
    (void)co_await thrown_by<std::bad_alloc>(workers.apply<throw_text_of>(size));
  }
  BOOST_TEST(workers.stats().failed == 1u);
  BOOST_TEST(workers.stats().running == 0u);
  const int after = co_await workers.apply<t::own_pid>();
  BOOST_TEST(before == after);
}

CO_TEST_ONCE(out_of_descriptors_fails_that_task_and_heals) {
  for (auto call : {coproc::os::call::socketpair, coproc::os::call::memfd_create}) {
    coproc::pool workers(co_await this_executor(), 1);
    {
      fault full(call, EMFILE);
      auto error = co_await thrown_by<std::system_error>(workers.apply<t::square>(1));
      BOOST_TEST((error.code() == std::errc::too_many_files_open));
      BOOST_TEST(full.hits() > 0u);
    }
    const int four = co_await workers.apply<t::square>(2);
    BOOST_TEST(four == 4);
  }
}

CO_TEST_ONCE(arguments_that_find_no_memory_fail_their_call_only) {
  coproc::pool workers(co_await this_executor(), 1);
  co_await workers.apply<t::nothing>();
  const std::string large(3'000'000, 'x');
  {
    fault full(coproc::os::call::memfd_create, EMFILE);
    BOOST_CHECK_THROW((void)workers.apply_async<t::length>(large), std::system_error);
  }
  const std::size_t length = co_await workers.apply<t::length>(large);
  BOOST_TEST(length == large.size());
}

CO_TEST_ONCE(a_handing_that_the_system_refuses_fails_its_task_only) {
  coproc::pool workers(co_await this_executor(), 1);
  co_await workers.apply<t::nothing>();
  const std::string large(100'000, 'x');
  async_result<std::size_t> refused;
  {
    fault full(coproc::os::call::sendmsg, ENOMEM, 1);
    refused = workers.apply_async<t::length>(large);
    BOOST_TEST(full.hits() == 1u);
  }
  auto error = co_await thrown_by<std::system_error>(refused.get());
  CHECK_CONTAINS(std::string(error.what()), "length");
  const std::size_t length = co_await workers.apply<t::length>(large);
  BOOST_TEST(length == large.size());
}

CO_TEST_ONCE(results_that_find_no_descriptor_fail_and_are_not_taken_for_each_other) {
  coproc::pool workers(co_await this_executor(), 2);
  co_await workers.apply<t::nothing>();
  for (int round = 0; round != 2; ++round) {
    std::vector<async_result<std::string>> tasks;
    std::size_t refused = 0;
    {
      const int next_free = ::dup(0);
      ::close(next_free);
      lowered_limit none_free(RLIMIT_NOFILE, static_cast<rlim_t>(next_free));
      for (char c = 'a'; c <= 'j'; ++c)
        tasks.push_back(workers.apply_async<t::twice>(std::string(40'000, c)));
      (void)co_await thrown_by<std::system_error>(tasks[0].get());
    }
    for (std::size_t i = 0; i != tasks.size(); ++i) {
      try {
        const std::string got = co_await tasks[i].get();
        BOOST_TEST((got == std::string(80'000, static_cast<char>('a' + i))));
      } catch (const std::system_error& error) {
        BOOST_TEST((error.code() == std::errc::too_many_files_open));
        ++refused;
      }
    }
    BOOST_TEST(refused >= 1u);
  }
  const std::string ok = co_await workers.apply<t::twice>(std::string(40'000, 'k'));
  BOOST_TEST(ok.size() == 80'000u);
}

CO_TEST_ONCE(a_result_that_cannot_be_received_now_is_not_taken_for_the_next_one) {
  coproc::pool workers(co_await this_executor(), 1);
  co_await workers.apply<t::nothing>();
  async_result<std::string> first, second;
  {
    fault full(coproc::os::call::recvmsg, ENOMEM);
    first = workers.apply_async<t::twice>(std::string(40'000, 'a'));
    second = workers.apply_async<t::twice>(std::string(40'000, 'b'));
    (void)co_await thrown_by<std::system_error>(first.get());
  }
  try {
    const std::string got = co_await second.get();
    BOOST_TEST((got == std::string(80'000, 'b')));
  } catch (const std::system_error& error) {
    BOOST_TEST((error.code() == std::errc::not_enough_memory));
  }
  const std::string third = co_await workers.apply<t::twice>(std::string(40'000, 'c'));
  BOOST_TEST((third == std::string(80'000, 'c')));
}

// Workers that can't be started.

METHOD_TEST_ONCE(a_start_that_is_refused_fails_its_task_and_heals) {
  if (method == coproc::start_method::fork && sanitized) co_return;
  using os_call = coproc::os::call;
  host_variable in_server("COPROC_TEST_FAULT", "fork 11 2"); // EAGAIN, twice, in a server that starts now
  std::optional<fault> refused, refused_too;
  if (method == coproc::start_method::fork) refused.emplace(os_call::fork, EAGAIN, 2);
  if (method == coproc::start_method::spawn) {
    refused.emplace(os_call::clone3, EAGAIN, 2);
    refused_too.emplace(os_call::vfork, EAGAIN, 2);
  }
  coproc::pool workers(co_await this_executor(), pool_options().size(1).method(method));
  std::vector<async_result<int>> tasks;
  for (int i = 0; i != 10; ++i) tasks.push_back(workers.apply_async<t::square>(i));
  for (int i = 0; i != 10; ++i) {
    if (i < 2) {
      auto error = co_await thrown_by<std::system_error>(tasks[std::size_t(i)].get());
      BOOST_TEST((error.code() == std::errc::resource_unavailable_try_again));
      CHECK_CONTAINS(std::string(error.what()), "PoolWorker");
    } else {
      const int got = co_await tasks[std::size_t(i)].get();
      BOOST_TEST(got == i * i);
    }
  }
  BOOST_TEST(workers.stats().failed == 2u);
}

CO_TEST_ONCE(a_start_that_is_refused_while_another_worker_is_there_fails_nothing) {
  coproc::pool workers(co_await this_executor(), pool_options().size(2).method(coproc::start_method::spawn));
  announcements started, go;
  auto first = workers.apply_async<t::announce_and_wait>(started, go);
  (void)co_await started.get();
  {
    fault no_pairs(coproc::os::call::socketpair, EMFILE);
    auto second = workers.apply_async<t::square>(3);
    const bool refused = co_await comes_true([&] { return no_pairs.hits() >= 3; });
    BOOST_TEST(refused);
    BOOST_TEST(!second.ready());
    co_await go.put(1);
    const int nine = co_await second.get(); // by the first worker
    BOOST_TEST(nine == 9);
  }
  auto third = workers.apply_async<t::announce_and_wait>(started, go);
  auto fourth = workers.apply_async<t::announce_and_wait>(started, go);
  const int one = co_await started.get();
  const int other = co_await started.get(); // both run at once: it has healed
  BOOST_TEST(one != other);
  co_await go.put(1);
  co_await go.put(1);
  co_await third.wait();
  co_await fourth.wait();
}

BOOST_AUTO_TEST_SUITE_END()
