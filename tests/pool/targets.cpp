#include "pool/targets.hpp"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <thread>

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

namespace coproc::test::pool_targets {

namespace {
int state = 0;
} // namespace

int square(int x) { return x * x; }
int add(int a, int b) { return a + b; }
int own_pid() { return ::getpid(); }
int parent_pid() { return ::getppid(); }
void nothing() {}

int throw_if_odd(int x) {
  if (x % 2 != 0) throw std::runtime_error("odd: " + std::to_string(x));
  return x;
}

int die_if_odd(int x) {
  if (x % 2 != 0) ::kill(::getpid(), SIGKILL);
  return x;
}

int exit_with(int code) { std::exit(code); }

int raise_signal(int number) {
  ::signal(number, SIG_DFL);
  ::raise(number);
  return 0;
}

namespace {

int overflow_stack(int depth) {
  volatile char inner[4096];
  inner[0] = 1;
  return depth < 0 ? 0 : overflow_stack(depth + 1) + inner[0];
}

} // namespace

int die_by(death how) {
  switch (how) {
  case death::quick_exit:
    std::quick_exit(3);
  case death::immediate_exit:
    ::_exit(3);
  case death::abort:
    std::abort();
  case death::uncaught_in_a_thread:
    std::thread([] { throw std::runtime_error("nobody catches this"); }).join();
    break;
  case death::stack_overflow:
    return overflow_stack(0);
  case death::end_of_thread:
    ::pthread_exit(nullptr);
  case death::exec:
    ::execl("/bin/sh", "sh", "-c", "exit 3", static_cast<char*>(nullptr));
    break;
  }
  return 0;
}

int throw_bad_alloc() { throw std::bad_alloc(); }

int fork_and_return() { return ::fork(); }

int sleep_ms(int ms) {
  ::usleep(static_cast<useconds_t>(ms) * 1000);
  return ms;
}

int busy_us(int us) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(us);
  while (std::chrono::steady_clock::now() < end) {
  }
  return ::getpid();
}

std::string twice(std::string text) { return text + text; }
std::size_t length(const std::string& text) { return text.size(); }
std::unique_ptr<int> boxed(int x) { return std::make_unique<int>(x); }
int unboxed(const std::unique_ptr<int>& box) { return *box; }

void announce(announcements started) { started.blocking_put(::getpid()); }

void announce_and_pause(announcements started) {
  started.blocking_put(::getpid());
  for (;;) ::pause();
}

int announce_and_wait(announcements started, announcements go) {
  started.blocking_put(::getpid());
  return go.blocking_get();
}

int wait_for(announcements go) { return go.blocking_get(); }

int die_until(const std::string& path, int times) {
  std::ofstream(path, std::ios::app) << '.' << std::flush;
  const auto starts = static_cast<int>(std::ifstream(path, std::ios::ate).tellg());
  if (starts <= times) ::kill(::getpid(), SIGKILL);
  return starts;
}

int count_calls() {
  static int calls = 0;
  return ++calls;
}

void set_state(int x) { state = x; }
void set_state_or_throw(int x) {
  if (x < 0) throw std::invalid_argument("no good state");
  state = x;
}
void kill_self() { ::kill(::getpid(), SIGKILL); }
int get_state() { return state; }
void print(const std::string& text) { std::cout << text; }

void write_garbage_to_stdout() {
  if (::write(1, "nothing that anybody expects\n", 29) < 0) ::_exit(99);
}

int write_garbage_to_channels(and_then next, std::size_t bytes) {
  std::string noise = "\x01\x02 this is nothing that anybody could expect ";
  noise.resize(bytes, '\xff');
  for (int fd = 3; fd != 256; ++fd) {
    int type = 0;
    socklen_t size = sizeof type;
    if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET)
      (void)::send(fd, noise.data(), noise.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  while (next == and_then::pause) ::pause();
  return -1;
}

int overwrite_shared_memory(const std::string& path) {
  std::ofstream(path, std::ios::app) << '.' << std::flush;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t from = 0, to = 0;
    if (line.find("coproc-pool") == line.npos || std::sscanf(line.c_str(), "%zx-%zx", &from, &to) != 2)
      continue;
    std::memset(reinterpret_cast<void*>(from), 0xee, to - from);
  }
  for (;;) ::pause();
}

int close_descriptors(int pause_ms) {
  for (int fd = 3; fd != 256; ++fd) ::close(fd);
  sleep_ms(pause_ms);
  return ::getpid();
}

void leave_heir_and_die(announcements heir) {
  if (const pid_t pid = ::fork(); pid != 0) {
    heir.blocking_put(pid);
    ::kill(::getpid(), SIGKILL);
  }
  ::setsid(); // it is not killed with the worker's group
  ::sleep(60);
  ::_exit(0);
}

int hang_at_end() {
  std::atomic<bool> held{false};
  std::thread([&held] {
    std::FILE* file = std::fopen("/dev/null", "w");
    ::flockfile(file);
    std::fputc('x', file); // at its end a process flushes all of its streams
    held = true;
    held.notify_one();
    for (;;) ::pause();
  }).detach();
  held.wait(false);
  return ::getpid();
}

std::size_t grow(std::size_t bytes) {
  auto* kept = static_cast<char*>(std::malloc(bytes));
  if (!kept) throw std::bad_alloc();
  std::memset(kept, 1, bytes);
  return static_cast<std::size_t>(::getpid());
}

} // namespace coproc::test::pool_targets
