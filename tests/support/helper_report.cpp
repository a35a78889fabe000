#include "support/helper_report.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

extern char** environ;

namespace coproc::test {

namespace {

void write_text(const char* text, std::size_t size) {
  if (::write(1, text, size) < 0) ::_exit(124);
}

void line(const char* text) {
  write_text(text, std::strlen(text));
  write_text("\n", 1);
}

void line(long long number) {
  char text[32];
  std::snprintf(text, sizeof text, "%lld", number);
  line(text);
}

/// The numbers of all open descriptors, with blanks between.
void descriptors() {
  char text[4096];
  std::size_t used = 0;
  for (int fd = 0; fd < 4096 && used < sizeof text - 8; ++fd)
    if (::fcntl(fd, F_GETFD) >= 0)
      used += static_cast<std::size_t>(std::snprintf(text + used, 8, used ? " %d" : "%d", fd));
  text[used] = 0;
  line(text);
}

/// Device and inode: the same for two descriptors that refer to the same thing.
void identity(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) < 0) return line("closed");
  char text[64];
  std::snprintf(text, sizeof text, "%llu:%llu", static_cast<unsigned long long>(status.st_dev),
                static_cast<unsigned long long>(status.st_ino));
  line(text);
}

void link_target(const char* path) {
  char text[4096];
  ssize_t n = ::readlink(path, text, sizeof text - 1);
  text[n < 0 ? 0 : n] = 0;
  line(n < 0 ? "closed" : text);
}

void limits(int which) {
  rlimit value{};
  ::getrlimit(static_cast<__rlimit_resource_t>(which), &value);
  line(static_cast<long long>(value.rlim_cur));
  line(static_cast<long long>(value.rlim_max));
}

void blocked_signals() {
  sigset_t now;
  ::sigprocmask(SIG_BLOCK, nullptr, &now);
  char text[512] = "";
  for (int number = 1; number < NSIG; ++number)
    if (::sigismember(&now, number) == 1) std::snprintf(text + std::strlen(text), 8, " %d", number);
  line(text);
}

/// Signals whose disposition is not the default.
void dispositions() {
  char text[512] = "";
  for (int number = 1; number < NSIG; ++number) {
    struct sigaction now {};
    if (::sigaction(number, nullptr, &now) == 0 && now.sa_handler != SIG_DFL)
      std::snprintf(text + std::strlen(text), 8, " %d", number);
  }
  line(text);
}

void environment() {
  for (char** entry = environ; *entry; ++entry) write_text(*entry, std::strlen(*entry) + 1);
}

} // namespace

bool report(const char* name, const char* value) {
  auto is = [name](const char* other) { return std::strcmp(name, other) == 0; };
  if (is("fds"))
    descriptors();
  else if (is("identity"))
    identity(std::atoi(value));
  else if (is("link"))
    link_target(value);
  else if (is("environment"))
    environment(); // NUL after each
  else if (is("env"))
    line(std::getenv(value) ? std::getenv(value) : "(unset)");
  else if (is("cwd")) {
    char text[4096];
    line(::getcwd(text, sizeof text) ? text : "(none)");
  } else if (is("umask"))
    line(static_cast<long long>(::umask(0)));
  else if (is("nice"))
    line(::getpriority(PRIO_PROCESS, 0));
  else if (is("limits"))
    limits(std::atoi(value)); // soft, hard
  else if (is("pid"))
    line(::getpid());
  else if (is("ppid"))
    line(::getppid());
  else if (is("pgid"))
    line(::getpgid(0));
  else if (is("sid"))
    line(::getsid(0));
  else if (is("uid"))
    line(::getuid()), line(::geteuid());
  else if (is("gid"))
    line(::getgid()), line(::getegid());
  else if (is("groups"))
    line(::getgroups(0, nullptr));
  else if (is("blocked"))
    blocked_signals();
  else if (is("dispositions"))
    dispositions();
  else if (is("death-signal")) {
    int number = 0;
    ::prctl(PR_GET_PDEATHSIG, &number);
    line(number);
  } else
    return false;
  return true;
}

void report_arguments(char** argv) {
  for (; *argv; ++argv) write_text(*argv, std::strlen(*argv) + 1);
}

} // namespace coproc::test
