// A program that uses the library, for what a test can't do to its own process: be killed, lose its standard
// streams, be the main() of run_main. Its first argument says what it does.
#include <coproc/run_main.hpp>

#include <coproc/run.hpp>
#include <coproc/spawn.hpp>

#include "support/helper.hpp"

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

using namespace coproc::test;
using coproc::stdio;
using strings = std::vector<std::string>;

static void say(const std::string& text) {
  const std::string line = text + "\n";
  if (::write(1, line.data(), line.size()) < 0) ::_exit(123);
}

static asio::awaitable<void> wait_for_ever() {
  asio::steady_timer never(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
  co_await never.async_wait(asio::use_awaitable);
}

/// Starts two children, a copy of the first one's group leader included, says their ids, and waits to be
/// killed.
static asio::awaitable<void> die_with_children() {
  auto c = helper("pause").in(stdio::null()).die_with_parent();
  coproc::child first = co_await coproc::spawn(c);
  coproc::child second = co_await coproc::spawn(c);
  say(std::to_string(first.pid()));
  say(std::to_string(second.pid()));
  co_await wait_for_ever();
}

/// Closes the standard streams named in argument 2 (`0,2`), and reports to the descriptor in argument 3 how a
/// child that uses all of its own fares.
static asio::awaitable<int> lose_streams(strings args) {
  for (char stream : args.at(2))
    if (stream != ',') ::close(stream - '0');
  auto c = helper("cat", "err=message ", "fds").input("input ").err(stdio::pipe());
  auto result = co_await coproc::run(std::move(c));
  const std::string report = result.err + result.out;
  if (::write(std::stoi(args.at(3)), report.data(), report.size()) < 0) co_return 1;
  co_return result.status.returncode();
}

static asio::awaitable<int> amain(strings args) {
  const std::string what = args.size() < 2 ? "" : args[1];
  if (what == "die-with-children")
    co_await die_with_children();
  else if (what == "lose-streams")
    co_return co_await lose_streams(std::move(args));
  else if (what == "return")
    co_return std::stoi(args.at(2));
  else if (what == "throw")
    throw std::runtime_error("the reason");
  else if (what == "throw-int")
    throw 3;
  else if (what == "arguments") {
    for (const auto& argument : args) say(argument);
  } else if (what == "leave-work") { // for ever
    asio::co_spawn(co_await asio::this_coro::executor, wait_for_ever(), asio::detached);
    co_return 9;
  } else if (what == "wait") {
    say("ready");
    co_await wait_for_ever();
  } else if (what == "run") { // a child that is stopped in good order when a signal comes
    auto c = helper("report=15", "say=ready", "pause").out(stdio::inherit());
    co_await coproc::run(std::move(c));
  } else if (what == "linger") { // catches its cancellation, and can only be killed
    say("ready");
    try {
      co_await wait_for_ever();
    } catch (const std::system_error&) {
      say("cancelled");
    }
    for (;;) ::pause();
  } else if (what == "fail-when-cancelled") {
    say("ready");
    try {
      co_await wait_for_ever();
    } catch (const std::system_error&) {
    }
    throw std::runtime_error("could not clean up");
  } else if (what == "return-when-cancelled") {
    say("ready");
    try {
      co_await wait_for_ever();
    } catch (const std::system_error&) {
    }
    co_return 3;
  } else
    co_return 99;
  co_return 0;
}

static asio::awaitable<void> amain_without_code(strings args) {
  if (args.size() > 2) throw std::runtime_error("thrown");
  co_return;
}

static asio::awaitable<int> amain_without_arguments() { co_return 7; }

static asio::awaitable<void> amain_with_nothing() { co_return; }

int main(int argc, char** argv) {
  const std::string what = argc < 2 ? "" : argv[1];
  if (what == "amain-void") return coproc::run_main(argc, argv, amain_without_code);
  if (what == "amain-no-arguments") return coproc::run_main(argc, argv, amain_without_arguments);
  if (what == "amain-nothing") return coproc::run_main(argc, argv, amain_with_nothing);
  if (what == "amain-lambda")
    return coproc::run_main(argc, argv, [code = argc](strings) -> asio::awaitable<int> { co_return code; });
  return coproc::run_main(argc, argv, amain);
}
