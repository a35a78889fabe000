// A program whose functions run in child processes, for what a test can't do to its own process: end, be
// killed, be deleted, lose its standard streams, not call init. Its first argument says what it does, the
// second how it starts its children: 0 forkserver, 1 spawn, 2 fork.
#include <coproc/process.hpp>

#include <coproc/init.hpp>
#include <coproc/pool.hpp>
#include <coproc/run_main.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>
#include <asio/system_executor.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>

#include <cstdlib>
#include <exception>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <termios.h>
#include <unistd.h>

using coproc::process;
using coproc::process_options;
using coproc::start_method;
using coproc::stdio;
using coproc::target;
using strings = std::vector<std::string>;

// A program whose static initialisers start a thread.
static const bool static_thread = [] {
  if (!std::getenv("COPROC_TEST_STATIC_THREAD")) return false;
  std::thread([] {
    for (;;) ::pause();
  }).detach();
  return true;
}();

static void say(const std::string& text) {
  const std::string line = text + "\n";
  if (::write(1, line.data(), line.size()) < 0) ::_exit(123);
}

static void pause_for_ever() {
  for (;;) ::pause();
}

static int add(int a, int b) { return a + b; }
static int add_one(int a) { return a + 1; }

static int end_with_input() {
  char any;
  while (::read(0, &any, 1) > 0) {
  }
  return 7;
}

static asio::awaitable<void> wait_for_ever() {
  asio::steady_timer never(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
  co_await never.async_wait(asio::use_awaitable);
}

static process_options by(const strings& args) {
  return process_options().method(static_cast<start_method>(std::stoi(args.at(2))));
}

/// Starts two children that never end by themselves, one of which starts one of its own, and says their ids.
static asio::awaitable<void> pause_with_child(int method) {
  process inner{process_options().method(static_cast<start_method>(method)), target<pause_for_ever>};
  co_await inner.start();
  say(std::to_string(inner.pid()));
  co_await wait_for_ever();
}

static asio::awaitable<int> hold(strings args) {
  const int method = std::stoi(args.at(2));
  process first{by(args), target<pause_for_ever>};
  process second{by(args), target<pause_with_child>, method};
  co_await first.start();
  co_await second.start();
  say(std::to_string(first.pid()));
  say(std::to_string(second.pid()));
  if (args.at(1) == "exit") { // while they run
    char ready;
    if (::read(0, &ready, 1) < 0) co_return 1;
    std::exit(0);
  }
  co_await wait_for_ever();
  co_return 0;
}

static asio::awaitable<int> detach(strings args) {
  process p{by(args).out(stdio::null()).err(stdio::null()), target<pause_for_ever>};
  co_await p.start();
  p.detach();
  say(std::to_string(p.pid()));
  co_return 0;
}

/// One result before, and one after a line on stdin.
static asio::awaitable<int> results(strings args) {
  for (int i = 0; i != 2; ++i) {
    process p{by(args), target<add>, i, 40};
    co_await p.start();
    int sum = co_await p.result();
    say(std::to_string(sum));
    char any;
    if (i == 0 && ::read(0, &any, 1) < 0) co_return 1;
  }
  co_return 0;
}

/// Which of 0, 1 and 2 are open, and how many descriptors beyond.
static std::string open_descriptors() {
  std::string result;
  int beyond = 0;
  for (int fd = 0; fd != 64; ++fd) {
    if (::fcntl(fd, F_GETFD) < 0) continue;
    if (fd < 3)
      result += std::to_string(fd);
    else
      ++beyond;
  }
  return result + "+" + std::to_string(beyond);
}

static asio::awaitable<int> lose_streams(strings args) {
  for (char stream : args.at(3))
    if (stream != ',') ::close(stream - '0');
  const int report = std::stoi(args.at(4));
  std::string text;
  // As in the host; /dev/null as stdin unless said otherwise; and a pipe, which is there whatever the host
  // lacks.
  process inherits{by(args).in(stdio::inherit()), target<open_descriptors>};
  co_await inherits.start();
  std::string open = co_await inherits.result();
  text += open + "\n";
  process has_own{by(args).out(stdio::pipe()).err(stdio::merge()), target<say>, "from the child"};
  co_await has_own.start();
  std::string out = co_await has_own.out().read_all();
  co_await has_own.join();
  text += out;
  if (::write(report, text.data(), text.size()) < 0) co_return 1;
  co_return 0;
}

static asio::awaitable<int> try_to_start(strings args) {
  process p{by(args), target<add>, 1, 2};
  for (int i = 0; i != 2; ++i) {
    try {
      co_await p.start();
      say("started");
    } catch (const coproc::bootstrap_error& error) {
      say(error.what());
    }
  }
  co_return 0;
}

// What a pool's workers do: each says its name and id first.

static void say_id(const std::string& name) { say(name + " " + std::to_string(::getpid())); }

static void idle() { say_id("idle"); }

static void pause_in_pool() {
  say_id("pausing");
  pause_for_ever();
}

static void spin_in_pool() {
  say_id("spinning");
  for (volatile unsigned i = 0;;) i = i + 1;
}

/// A pool in a task of a pool.
static asio::awaitable<void> nest_pool(int method) {
  say_id("nesting");
  coproc::pool inner(co_await asio::this_coro::executor,
                     coproc::pool_options().size(1).method(static_cast<start_method>(method)));
  co_await inner.apply<pause_in_pool>();
}

/// A pool whose workers are idle, sleep, spin, and have a pool of their own. In argument 3, "queue": has many
/// tasks of every kind waiting besides.
static asio::awaitable<int> hold_pool(strings args) {
  const int method = std::stoi(args.at(2));
  coproc::pool workers(co_await asio::this_coro::executor,
                       coproc::pool_options().size(4).method(static_cast<start_method>(method)));
  auto first = workers.apply_async<pause_in_pool>();
  auto second = workers.apply_async<spin_in_pool>();
  auto third = workers.apply_async<nest_pool>(method);
  co_await workers.apply<idle>();
  std::vector<coproc::async_result<void>> queue;
  if (args.size() > 3)
    for (int i = 0; i != 100; ++i) queue.push_back(workers.apply_async<pause_in_pool>());
  co_await workers.map<add_one>(std::vector<int>(args.size() > 3 ? 1000 : 0, 1));
  co_await first.get();
  co_return 0;
}

/// Ctrl-\ on a terminal of its own, which signals the group in its foreground, termios(3): as Ctrl-C does,
/// which run_main handles.
static asio::awaitable<int> signalled_by_a_terminal(strings args) {
  const int keyboard = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (keyboard < 0 || ::grantpt(keyboard) < 0 || ::unlockpt(keyboard) < 0) co_return 2;
  ::setsid(); // fails if it leads a session already
  const int terminal = ::open(::ptsname(keyboard), O_RDWR | O_CLOEXEC);
  if (terminal < 0 || ::ioctl(terminal, TIOCSCTTY, 0) < 0) co_return 3;
  asio::signal_set pressed(co_await asio::this_coro::executor, SIGQUIT);
  process first{by(args).in(stdio::pipe()), target<end_with_input>};
  process second{by(args).in(stdio::pipe()), target<end_with_input>};
  co_await first.start();
  co_await second.start();
  const char key = 0x1c;
  if (::write(keyboard, &key, 1) != 1) co_return 4;
  co_await pressed.async_wait(asio::use_awaitable);
  first.in().close();
  second.in().close();
  const int a = co_await first.result();
  const int b = co_await second.result();
  say("signalled; " + std::to_string(a) + std::to_string(b));
  co_return 0;
}

static int user() { return static_cast<int>(::geteuid()); }

/// A child of each of the users that it is: at first, for one start, and for good. The first one lives on.
static asio::awaitable<int> give_up_rights(strings args) {
  process held{by(args).in(stdio::pipe()), target<end_with_input>};
  co_await held.start();
  for (uid_t id : {uid_t(0), uid_t(65534), uid_t(0), uid_t(65533)}) {
    if ((id == 65533 ? ::setresuid(id, id, id) : ::seteuid(id)) < 0) co_return 2;
    ::prctl(PR_SET_DUMPABLE, 1); // as before: leak sanitizer traces its process
    process p{by(args), target<user>};
    co_await p.start();
    const int child = co_await p.result();
    say(std::to_string(child));
  }
  held.in().close();
  const int last = co_await held.result();
  co_await held.join();
  say(std::to_string(last) + " " + held.status()->to_string());
  co_return 0;
}

/// A set-user-ID program gives up what it got by that.
static asio::awaitable<int> give_up_rights_of_file(strings args) {
  say(std::to_string(user()));
  if (::setresuid(::getuid(), ::getuid(), ::getuid()) < 0) co_return 2;
  ::prctl(PR_SET_DUMPABLE, 1); // as above
  process p{by(args), target<user>};
  co_await p.start();
  const int child = co_await p.result();
  say(std::to_string(child));
  co_return 0;
}

/// Another handler throws while this one waits for a start.
static asio::awaitable<int> throw_elsewhere(strings args) {
  asio::post(co_await asio::this_coro::executor, [] { throw std::runtime_error("from a handler"); });
  process p{by(args), target<user>};
  co_await p.start();
  co_return 0;
}

static asio::awaitable<int> amain(strings args) {
  const std::string what = args.at(1);
  if (what == "hold" || what == "exit") co_return co_await hold(std::move(args));
  if (what == "detach") co_return co_await detach(std::move(args));
  if (what == "pool") co_return co_await hold_pool(std::move(args));
  if (what == "results") co_return co_await results(std::move(args));
  if (what == "terminal") co_return co_await signalled_by_a_terminal(std::move(args));
  if (what == "lose-streams") co_return co_await lose_streams(std::move(args));
  if (what == "rights") co_return co_await give_up_rights(std::move(args));
  if (what == "rights-of-file") co_return co_await give_up_rights_of_file(std::move(args));
  if (what == "late-init") co_return co_await try_to_start(std::move(args));
  if (what == "throw-elsewhere") co_return co_await throw_elsewhere(std::move(args));
  co_return 99;
}

int main(int argc, char** argv) {
  const std::string what = argc < 2 ? "" : argv[1];
  if (what == "no-init") {
    asio::io_context loop;
    asio::co_spawn(loop, try_to_start(strings(argv, argv + argc)), [](std::exception_ptr error, int) {
      if (error) std::terminate();
    });
    loop.run();
    return 0;
  }
  if (std::getenv("COPROC_TEST_SHIFT")) { // has read the first argument, whatever that is, and takes it out
    coproc::init(argc - 1, argv + 1);
    if (what != "shift") return 4;
    asio::io_context loop;
    asio::co_spawn(loop, results(strings(argv, argv + argc)), [](std::exception_ptr error, int) {
      if (error) std::terminate();
    });
    loop.run();
    return 0;
  }
  if (what == "system-executor") { // whose context, and so a fork server, is there until the program ends
    coproc::init(argc, argv);
    return asio::co_spawn(asio::system_executor(), results(strings(argv, argv + argc)), asio::use_future)
        .get();
  }
  // A main() that comes to init too late in a child: it has ended by then.
  if (std::getenv("COPROC_TEST_LATE_INIT") && what != "late-init") return 3;
  try {
    return coproc::run_main(argc, argv, amain);
  } catch (const std::runtime_error& error) {
    say(error.what());
    return 5;
  }
}
