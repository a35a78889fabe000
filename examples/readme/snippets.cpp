// The README's snippets, each in a function that calls it for real.
//
//     $ ./snippets
//     a callback got: hello
//     42
//     exited with code 0
//     capture: result, warning, 15 bytes
//     exited with code 2
//     lines: 3, exited with code 0
//     fast lines: 100000
//     pipeline: 3 stages
//           2 ham
//           1 egg
//     killed by SIGTERM, after: partial
//     stop: killed by SIGTERM
//     cancel: the timer was first
//     cap: 10 files, 4 permits are back
//     talk: 42

#include <coproc/coproc.hpp>

#include <asio/co_spawn.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <iostream>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

using namespace std::chrono_literals;
using coproc::command;
using coproc::stdio;

namespace {

std::string trimmed(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

asio::awaitable<void> run() {
  // [run]
  coproc::completed done = co_await coproc::run(command("expr", "6", "*", "7"));
  std::cout << done.out;                        // 42
  std::cout << done.status.to_string() << '\n'; // exited with code 0
  // [run]
}

asio::awaitable<void> capture() {
  // [capture]
  command tool = command::shell("echo result; echo warning >&2");
  coproc::completed done = co_await coproc::run(tool); // done.out, done.err: drained together
  coproc::completed both = co_await coproc::run(tool.err(stdio::merge())); // both in done.out, in order
  std::string uname =
      co_await coproc::check_output(command("uname")); // stdout of a program that has to succeed
  // [capture]
  std::cout << "capture: " << trimmed(done.out) << ", " << trimmed(done.err) << ", " << both.out.size()
            << " bytes\n";
}

asio::awaitable<void> check() {
  // [check]
  try {
    co_await coproc::run(command("ls", "/no/such/file").check());
  } catch (const coproc::called_process_error& failed) {
    std::cout << failed.status.to_string() << '\n'; // exited with code 2; failed.out and failed.err say more
  }
  // [check]
}

asio::awaitable<void> lines() {
  std::vector<std::string> seen;
  auto handle = [&seen](std::string_view line) { seen.emplace_back(line); };
  // [lines]
  coproc::child child = co_await coproc::spawn(command("seq", "3").out(stdio::pipe()));
  while (auto line = co_await child.out().read_line()) handle(*line);
  coproc::exit_status status = co_await child.wait();
  // [lines]
  std::cout << "lines: " << seen.size() << ", " << status.to_string() << '\n';
}

asio::awaitable<void> fast_lines() {
  std::size_t count = 0;
  auto handle = [&count](std::string_view) { ++count; };
  coproc::child child = co_await coproc::spawn(command("seq", "100000").out(stdio::pipe()));
  // [fast_lines]
  while (auto line = co_await child.out().read_line()) {
    handle(*line);
    while (auto next = child.out().try_read_line())
      handle(*next); // those that came with it: no suspension, no copy
  }
  // [fast_lines]
  std::cout << "fast lines: " << count << '\n';
}

asio::awaitable<void> pipeline() {
  // [pipeline]
  coproc::pipeline count =
      command("sort").input("ham\negg\nham\n") | command("uniq", "-c") | command("sort", "-rn");
  coproc::completed done = co_await coproc::run(count.timeout(10s).check());
  // [pipeline]
  std::cout << "pipeline: " << done.statuses.size() << " stages\n" << done.out;
}

asio::awaitable<void> timeout() {
  // [timeout]
  try {
    co_await coproc::run(command::shell("echo partial; exec sleep 600").timeout(1s));
  } catch (const coproc::timeout_expired& expired) { // it has been stopped and reaped; its output is kept
    std::cout << expired.status.to_string()
              << ", after: " << expired.out; // killed by SIGTERM, after: partial
  }
  // [timeout]
}

asio::awaitable<void> stop() {
  // [stop]
  coproc::child child = co_await coproc::spawn(command("sleep", "600").in(stdio::null()));
  coproc::exit_status status = co_await child.stop(coproc::stop_policy(2s)); // SIGTERM, 2 s, SIGKILL
  // [stop]
  std::cout << "stop: " << status.to_string() << '\n';
}

asio::awaitable<void> cancel() {
  // [cancel]
  using namespace asio::experimental::awaitable_operators;
  asio::steady_timer timer(co_await asio::this_coro::executor, 100ms);
  auto first = co_await (coproc::run(command("sleep", "600")) || timer.async_wait(asio::use_awaitable));
  // The timer won: the program has been asked to stop, it is gone, and nothing is left behind.
  // [cancel]
  std::cout << "cancel: " << (first.index() == 1 ? "the timer" : "the program") << " was first\n";
}

// [cap]
// All files at the same time, but no more programs at once than the semaphore has permits.
asio::awaitable<void> sum_all(std::span<const std::string> files, coproc::semaphore& cap) {
  using namespace asio::experimental::awaitable_operators;
  if (files.size() > 1) { // both halves; if one fails, the other is cancelled
    auto half = files.size() / 2;
    co_await (sum_all(files.first(half), cap) && sum_all(files.subspan(half), cap));
  } else if (!files.empty()) {
    coproc::permit permit = co_await cap.acquire(); // given back at the end of the scope
    co_await coproc::run(command("cksum", "--", files[0]).check());
  }
}
// [cap]

asio::awaitable<void> cap() {
  const std::vector<std::string> files(10, __FILE__);
  coproc::semaphore permits(4);
  co_await sum_all(files, permits);
  std::cout << "cap: " << files.size() << " files, " << permits.available() << " permits are back\n";
}

asio::awaitable<void> talk() {
  // [talk]
  coproc::child sh = co_await coproc::spawn(command("sh").in(stdio::pipe()).out(stdio::pipe()));
  co_await sh.in().write("echo $(( 6 * 7 ))\n");
  auto answer = co_await sh.out().read_line(); // "42"
  sh.in().close();
  co_await sh.wait();
  // [talk]
  std::cout << "talk: " << answer.value_or("nothing") << '\n';
}

void own_loop() {
  // [own_loop]
  asio::io_context loop;
  asio::co_spawn(loop, coproc::run(command("echo", "hello")),
                 [](std::exception_ptr error, coproc::completed done) {
                   if (!error) std::cout << "a callback got: " << done.out;
                 });
  loop.run();
  // [own_loop]
}

asio::awaitable<void> amain() {
  co_await run();
  co_await capture();
  co_await check();
  co_await lines();
  co_await fast_lines();
  co_await pipeline();
  co_await timeout();
  co_await stop();
  co_await cancel();
  co_await cap();
  co_await talk();
}

} // namespace

int main(int argc, char** argv) {
  own_loop();
  return coproc::run_main(argc, argv, amain);
}
