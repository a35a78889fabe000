// The child of every test. Its arguments are actions, each `name` or `name=value`, performed in order; after
// the last one it exits with 0. Plain system calls only, so that it starts as fast as a program can, and so
// that nothing of what it reports is the doing of a library.

#include "support/helper_report.hpp"

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

namespace {

char block[65536];

[[noreturn]] void wait_for_ever() {
  for (;;) ::pause();
}

/// On SIGPIPE the default disposition ends us before this fails; with it ignored we exit with 32, EPIPE.
void write_all(int fd, const char* data, std::size_t size) {
  while (size != 0) {
    ssize_t n = ::write(fd, data, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) ::_exit(errno);
    data += n;
    size -= static_cast<std::size_t>(n);
  }
}

void write_text(int fd, const char* text) { write_all(fd, text, std::strlen(text)); }

/// In one piece, so that a single read gets it.
void write_line(const char* text) {
  char line[256];
  std::snprintf(line, sizeof line, "%s\n", text);
  write_text(1, line);
}

void write_number(long long number) {
  char text[32];
  std::snprintf(text, sizeof text, "%lld", number);
  write_line(text);
}

/// Stdin to stdout, and to stderr if @p both.
void cat(bool both) {
  for (;;) {
    ssize_t n = ::read(0, block, sizeof block);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    write_all(1, block, static_cast<std::size_t>(n));
    if (both) write_all(2, block, static_cast<std::size_t>(n));
  }
}

void wait_for_eof() {
  while (::read(0, block, sizeof block) > 0) {
  }
}

void wait_for_line() {
  char c = 0;
  while (::read(0, &c, 1) == 1 && c != '\n') {
  }
}

void read_exactly(std::uint64_t size) {
  while (size != 0) {
    ssize_t n = ::read(0, block, size < sizeof block ? static_cast<std::size_t>(size) : sizeof block);
    if (n <= 0) return;
    size -= static_cast<std::uint64_t>(n);
  }
}

/// @p size bytes: the alphabet over and over, without line ends. 0: for ever.
void flood(int fd, std::uint64_t size) {
  for (std::size_t i = 0; i != sizeof block; ++i) block[i] = static_cast<char>('a' + i % 26);
  const std::size_t whole = sizeof block / 26 * 26;
  for (std::uint64_t left = size; size == 0 || left != 0;) {
    const std::size_t n = size == 0 || left > whole ? whole : static_cast<std::size_t>(left);
    write_all(fd, block, n);
    if (size != 0) left -= n;
  }
}

void write_lines(std::uint64_t count) {
  char line[32];
  for (std::uint64_t i = 0; i != count; ++i) {
    std::snprintf(line, sizeof line, "line %llu\n", static_cast<unsigned long long>(i));
    write_text(1, line);
  }
}

/// On SIGTERM and the like: says so, and exits with 40 + the number.
void report_signal(int number) {
  char text[32];
  std::snprintf(text, sizeof text, "signal %d", number);
  write_line(text);
  ::_exit(40 + number);
}

/// A child that holds all descriptors and does nothing. Its id goes to stdout.
void make_grandchild(bool ignore_term, bool own_group) {
  pid_t pid = ::fork();
  if (pid == 0) {
    ::alarm(60);
    // A test that is cancelled before it knows of this process leaves it behind. It holds the stdout of its
    // parent, as it is here to do, but not the stderr that is the test's own, whose end others wait for.
    ::dup2(::open("/dev/null", O_WRONLY), 2);
    if (own_group) ::setpgid(0, 0);
    if (ignore_term) ::signal(SIGTERM, SIG_IGN);
    wait_for_ever();
  }
  if (own_group) ::setpgid(pid, pid);
  write_number(pid);
}

void burn_cpu(std::uint64_t milliseconds) {
  timespec used{};
  do {
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  } while (static_cast<std::uint64_t>(used.tv_sec) * 1000 +
               static_cast<std::uint64_t>(used.tv_nsec) / 1000000 <
           milliseconds);
}

void touch_memory(std::uint64_t bytes) {
  char* memory = static_cast<char*>(std::malloc(bytes));
  if (!memory) ::_exit(12); // ENOMEM
  for (std::uint64_t i = 0; i < bytes; i += 4096) static_cast<volatile char*>(memory)[i] = 1;
}

/// How many more descriptors can be opened.
void count_openable() {
  long count = 0;
  while (::open("/dev/null", O_RDONLY) >= 0) ++count;
  write_number(count);
}

/// A depth that no stack holds, but that a compiler can't tell from one that it does.
void overflow_stack(std::uint64_t depth) {
  volatile char frame[4096];
  frame[0] = static_cast<char>(depth);
  if (depth != 0) overflow_stack(depth - 1);
  frame[1] = frame[0];
}

bool perform(const char* name, const char* value) {
  const std::uint64_t number = std::strtoull(value, nullptr, 10);
  const int small = static_cast<int>(number);
  auto is = [name](const char* other) { return std::strcmp(name, other) == 0; };

  if (is("exit"))
    ::_exit(small);
  else if (is("signal"))
    ::raise(small);
  else if (is("abort"))
    std::abort();
  else if (is("stop"))
    ::raise(SIGSTOP);
  else if (is("out"))
    write_text(1, value);
  else if (is("err"))
    write_text(2, value);
  else if (is("say"))
    write_line(value);
  else if (is("cat"))
    cat(false);
  else if (is("cat-both"))
    cat(true);
  else if (is("eof"))
    wait_for_eof();
  else if (is("line"))
    wait_for_line();
  else if (is("read"))
    read_exactly(number);
  else if (is("flood"))
    flood(1, number);
  else if (is("flood-err"))
    flood(2, number);
  else if (is("lines"))
    write_lines(number);
  else if (is("close"))
    ::close(small);
  else if (is("pause"))
    wait_for_ever();
  else if (is("ignore"))
    ::signal(small, SIG_IGN);
  else if (is("report"))
    ::signal(small, report_signal);
  else if (is("grandchild"))
    make_grandchild(false, false);
  else if (is("stubborn-grandchild"))
    make_grandchild(true, false);
  else if (is("stranger"))
    make_grandchild(false, true);
  else if (is("burn"))
    burn_cpu(number);
  else if (is("touch"))
    touch_memory(number);
  else if (is("count-openable"))
    count_openable();
  else if (is("overflow-stack"))
    overflow_stack(UINT64_MAX);
  else
    return coproc::test::report(name, value);
  return true;
}

} // namespace

int main(int argc, char** argv) {
  ::alarm(60);
  for (int i = 1; i < argc; ++i) {
    static char name[64];
    const char* equals = std::strchr(argv[i], '=');
    const std::size_t length = equals ? static_cast<std::size_t>(equals - argv[i]) : std::strlen(argv[i]);
    if (length >= sizeof name) return 125;
    std::memcpy(name, argv[i], length);
    name[length] = 0;
    if (std::strcmp(name, "args") == 0) return coproc::test::report_arguments(argv), 0;
    if (!perform(name, equals ? equals + 1 : "")) {
      write_text(2, "helper: unknown action ");
      write_text(2, argv[i]);
      return 125;
    }
  }
  return 0;
}
