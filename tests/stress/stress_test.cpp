// Many at once, for long, and with things going wrong at random. COPROC_STRESS_RUNS scales it: 100,000 in the
// nightly run.
#include <coproc/run.hpp>

#include <coproc/semaphore.hpp>
#include <coproc/spawn.hpp>

#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/fault.hpp"
#include "support/helper.hpp"
#include "support/host_state.hpp"
#include "support/leak_check.hpp"
#include "support/pending.hpp"
#include "support/process_info.hpp"

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(stress)

using coproc::command;
using coproc::exit_status;
using coproc::stdio;
using os_call = coproc::os::call;

const std::size_t runs = scale_from_environment("COPROC_STRESS_RUNS", sanitized ? 1000 : 2000);

/// Bytes that are resident at this moment, getrusage() knows only the most.
std::size_t resident() {
  std::ifstream file("/proc/self/statm");
  std::size_t total = 0, pages = 0;
  file >> total >> pages;
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

CO_TEST_ONCE(ten_by_ten_simultaneous_exits) {
  for (int round = 0; round != 10; ++round) {
    auto gate = make_pipe(); // all wait for the end of the same input
    std::vector<coproc::child> children;
    for (int i = 0; i != 10; ++i)
      children.push_back(
          co_await coproc::spawn(helper("eof", "exit=" + std::to_string(i)).in(stdio::fd(gate.first.get()))));
    std::vector<pending<exit_status>> waiters;
    for (auto& c : children) waiters.push_back(co_await beside(c.wait()));
    co_await breathe();
    for (auto& waiter : waiters) BOOST_TEST(!waiter.done());
    gate.second.close();
    for (int i = 0; i != 10; ++i) {
      auto status = co_await waiters[std::size_t(i)].result();
      BOOST_TEST((status == exit_status::exited(i)));
    }
  }
}

asio::awaitable<void> mixed_work(std::size_t count, std::atomic<std::size_t>& good) {
  for (std::size_t i = 0; i != count; ++i) {
    switch (i % 4) {
    case 0: {
      auto result = co_await coproc::run(helper("out=x", "err=y", "exit=3"));
      if (result.out == "x" && result.err == "y" && result.status.code() == 3) ++good;
      break;
    }
    case 1: {
      auto c = helper("cat").input(std::string(200'000, 'z'));
      auto result = co_await coproc::run(std::move(c));
      if (result.out.size() == 200'000) ++good;
      break;
    }
    case 2: {
      auto dropped = co_await coproc::spawn(helper("pause").in(stdio::null()));
      ++good;
      break;
    }
    default:
      try {
        co_await coproc::spawn(command("/no/such/program"));
      } catch (const std::system_error&) {
        ++good;
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(eight_threads_with_a_loop_each) {
  leak_check nothing_left;
  std::atomic<std::size_t> good{0};
  const std::size_t each = runs / 16;
  std::vector<std::thread> threads;
  for (int i = 0; i != 8; ++i) {
    threads.emplace_back([&] {
      asio::io_context loop;
      asio::co_spawn(loop, mixed_work(each, good), asio::detached);
      asio::co_spawn(loop, mixed_work(each, good), asio::detached);
      loop.run_for(deadline() * 3);
    });
  }
  for (auto& thread : threads) thread.join();
  BOOST_TEST(good == 16 * each);
}

BOOST_AUTO_TEST_CASE(loops_that_come_and_go_in_eight_threads) {
  leak_check nothing_left;
  std::vector<std::thread> threads;
  for (int i = 0; i != 8; ++i) {
    threads.emplace_back([seed = unsigned(i)] {
      std::mt19937 random(seed);
      std::atomic<std::size_t> good{0};
      for (std::size_t round = 0; round != runs / 40; ++round) {
        asio::io_context loop;
        for (int j = 0; j != 3; ++j) asio::co_spawn(loop, mixed_work(4, good), asio::detached);
        for (std::size_t steps = random() % 60; steps != 0 && loop.run_one_for(1s); --steps) {
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

CO_TEST_ONCE(memory_and_descriptors_stay_flat) {
  const auto before = observe();
  auto some = [](std::size_t count) -> asio::awaitable<void> {
    for (std::size_t i = 0; i != count; ++i) {
      auto c = helper("out=some output", "err=more").input("input");
      co_await coproc::run(std::move(c));
      auto started = co_await coproc::spawn(helper("exit=0"));
      co_await started.wait();
    }
  };
  co_await some(runs / 5); // until all caches are warm
  const std::size_t warm = resident();
  co_await some(runs);
  const std::size_t growth = resident() - std::min(warm, resident());
  BOOST_TEST(observe().descriptors.size() <= before.descriptors.size() + 3, "the loop's own are there");
  // Memory of sanitizers is not the library's: they keep freed blocks.
  if (!sanitized) BOOST_TEST(growth < 512u * 1024, growth << " bytes in " << runs << " runs");
}

asio::awaitable<void> kill_at_random(std::vector<coproc::child>& children, std::mt19937& random) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  for (auto& c : children) {
    timer.expires_after(std::chrono::microseconds(random() % 300));
    co_await timer.async_wait(asio::use_awaitable);
    ::kill(c.pid(), SIGKILL); // from outside, as far as the library knows
  }
}

CO_TEST_ONCE(killed_at_random_from_outside) {
  std::mt19937 random(7);
  for (std::size_t round = 0; round != runs / 40; ++round) {
    std::vector<coproc::child> children;
    for (int i = 0; i != 5; ++i)
      children.push_back(
          co_await coproc::spawn(helper("cat-both").in(stdio::pipe()).out(stdio::pipe()).err(stdio::pipe())));
    std::vector<pending<coproc::completed>> all;
    for (auto& c : children) all.push_back(co_await beside(c.communicate(std::string(1'000'000, 'x'))));
    co_await kill_at_random(children, random);
    for (auto& one : all) {
      auto result = co_await one.result();
      BOOST_TEST((result.status == exit_status::signaled(SIGKILL) || result.status.success()),
                 result.status.to_string());
      BOOST_TEST(result.out.size() <= 1'000'000u);
    }
  }
}

CO_TEST_ONCE(cancelled_at_random) {
  std::mt19937 random(8);
  for (std::size_t round = 0; round != runs / 20; ++round) {
    auto c = helper("cat-both").input(std::string(300'000, 'x')).stop(coproc::stop_policy(1ms));
    auto op = co_await beside(coproc::run(std::move(c)));
    for (auto steps = random() % 40; steps != 0; --steps) co_await asio::post(asio::use_awaitable);
    op.cancel();
    if (random() % 2) op.cancel();
    co_await op.aborted();
    BOOST_TEST(no_children());
  }
}

CO_TEST_ONCE(signals_race_with_the_end) {
  for (std::size_t round = 0; round != runs / 5; ++round) {
    auto c = co_await coproc::spawn(helper("exit=0"));
    auto waiter = co_await beside(c.wait());
    while (!waiter.done()) {
      c.send_signal(0); // to it or to nobody
      co_await asio::post(asio::use_awaitable);
    }
    auto status = co_await waiter.result();
    BOOST_TEST((status == exit_status::exited(0)));
  }
}

asio::awaitable<void> survive_errors(std::size_t count, std::size_t& good, std::size_t& failed) {
  for (std::size_t i = 0; i != count; ++i) {
    try {
      auto result = co_await coproc::run(helper("cat", "err=x").input("text"));
      if (result.out == "text" && result.err == "x") ++good;
    } catch (const std::system_error& e) {
      if (e.code() == std::errc::too_many_files_open || e.code() == std::errc::resource_unavailable_try_again)
        ++failed;
      else
        throw;
    }
  }
}

CO_TEST_ONCE(out_of_descriptors_and_back_many_times) {
  co_await coproc::run(helper("exit=0"));
  for (int round = 0; round != 5; ++round) {
    std::size_t good = 0;
    std::size_t failed = 0;
    {
      lowered_limit files(RLIMIT_NOFILE, observe().descriptors.size() + 25);
      std::vector<pending<void>> all;
      for (int i = 0; i != 20; ++i) all.push_back(co_await beside(survive_errors(5, good, failed)));
      for (auto& one : all) co_await one.result();
    }
    BOOST_TEST(good + failed == 100u);
    BOOST_TEST(failed > 0u);
    auto result = co_await coproc::run(helper("out=back"));
    BOOST_TEST(result.out == "back");
  }
}

CO_TEST_ONCE(out_of_processes_now_and_then) {
  std::size_t good = 0;
  std::size_t failed = 0;
  {
    fault no_clone3(os_call::clone3, EAGAIN, 10, 7);
    fault no_vfork(os_call::vfork, EAGAIN);
    co_await survive_errors(30, good, failed);
  }
  BOOST_TEST(good == 20u);
  BOOST_TEST(failed == 10u);
}

asio::awaitable<void> capped(coproc::semaphore& slots, std::size_t& good) {
  auto slot = co_await slots.acquire();
  auto result = co_await coproc::run(helper("out=x"));
  if (result.out == "x") ++good;
}

CO_TEST_ONCE(many_at_once_with_a_cap) {
  coproc::semaphore slots(16);
  std::size_t good = 0;
  std::vector<pending<void>> all;
  for (std::size_t i = 0; i != runs / 4; ++i) all.push_back(co_await beside(capped(slots, good)));
  for (auto& one : all) co_await one.result();
  BOOST_TEST(good == runs / 4);
}

CO_TEST_ONCE(two_hundred_at_once) {
  std::vector<pending<coproc::completed>> all;
  for (int i = 0; i != 200; ++i) {
    auto c = helper("cat", "exit=3").input("text " + std::to_string(i));
    all.push_back(co_await beside(coproc::run(std::move(c))));
  }
  for (int i = 0; i != 200; ++i) {
    auto result = co_await all[std::size_t(i)].result();
    BOOST_TEST(result.out == "text " + std::to_string(i));
    BOOST_TEST((result.status == exit_status::exited(3)));
  }
}

BOOST_AUTO_TEST_SUITE_END()
