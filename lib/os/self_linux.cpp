#include "os/self.hpp"

#include "os/error.hpp"
#include "os/fd.hpp"

#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h> // glibc 2.32
#endif

namespace coproc::os {

namespace {

/// The beginning of a file of /proc, as text. @returns its size; 0 if it can't be read.
template <std::size_t Size>
std::size_t read_beginning(const char* path, char (&text)[Size]) noexcept {
  const unique_fd file(::open(path, O_RDONLY | O_CLOEXEC));
  const ssize_t got = file ? ::read(file.get(), text, Size - 1) : 0;
  const std::size_t size = got > 0 ? static_cast<std::size_t>(got) : 0;
  text[size] = '\0';
  return size;
}

bool same_file(const struct stat& a, const struct stat& b) noexcept {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/// The file that the main program is mapped from, as /proc/self/maps tells: where its program headers are,
/// getauxval(3).
std::optional<struct stat> mapped_program() {
  std::ifstream maps("/proc/self/maps");
  const unsigned long headers = ::getauxval(AT_PHDR);
  for (std::string line; std::getline(maps, line);) {
    unsigned long from = 0, to = 0, inode = 0;
    unsigned major = 0, minor = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx %*s %*s %x:%x %lu", &from, &to, &major, &minor, &inode) != 5)
      break;
    if (headers < from || headers >= to) continue;
    struct stat result {};
    result.st_dev = makedev(major, minor);
    result.st_ino = inode;
    return result;
  }
  return std::nullopt;
}

/// An emulator (Valgrind) answers readlink(2) with the name of the program that it runs, and otherwise takes
/// the link for itself. @returns that name if it is so, and only if the program is still to be had by it.
std::string emulated_program(const char* link) {
  char name[PATH_MAX];
  const ssize_t size = ::readlink(link, name, sizeof name - 1);
  if (size <= 0) return {};
  name[size] = '\0';
  struct stat linked, named;
  if (::stat(link, &linked) < 0 || ::stat(name, &named) < 0 || same_file(linked, named)) return {};
  const std::optional<struct stat> mapped = mapped_program();
  return mapped && same_file(*mapped, named) ? std::string(name) : std::string();
}

} // namespace

std::string own_program() {
  constexpr char link[] = "/proc/self/exe";
  std::string name = emulated_program(link);
  return name.empty() ? link : name;
}

std::vector<std::string> own_arguments() {
  std::ifstream file("/proc/self/cmdline");
  std::vector<std::string> result;
  for (std::string argument; std::getline(file, argument, '\0');) result.push_back(argument);
  return result;
}

int own_id() noexcept { return ::getpid(); }

int parent_id() noexcept { return ::getppid(); }

bool is_environment(const std::vector<std::string>& variables) noexcept {
  std::size_t i = 0;
  for (char** at = environ; at && *at; ++at, ++i)
    if (i == variables.size() || variables[i] != *at) return false;
  return i == variables.size();
}

void show_name(const std::string& name) noexcept { ::prctl(PR_SET_NAME, name.c_str(), 0, 0, 0); }

// ThreadSanitizer has a thread of its own; g++ and clang say in different ways that it is there.
#if defined(__SANITIZE_THREAD__)
constexpr bool has_thread_of_sanitizer = true;
#elif defined(__has_feature)
constexpr bool has_thread_of_sanitizer = __has_feature(thread_sanitizer);
#else
constexpr bool has_thread_of_sanitizer = false;
#endif

bool is_single_threaded() noexcept {
  DIR* tasks = ::opendir("/proc/self/task");
  if (!tasks) return true; // no /proc: nothing that could be known
  int count = 0;
  while (const dirent* entry = ::readdir(tasks))
    if (entry->d_name[0] != '.') ++count;
  ::closedir(tasks);
  return count <= (has_thread_of_sanitizer ? 2 : 1);
}

namespace {

/// Without other threads nobody but a signal handler could see it changed.
std::optional<unsigned> umask_of_only_thread() noexcept {
#if __has_include(<sys/single_threaded.h>)
  if (__libc_single_threaded) {
    sigset_t all, before;
    ::sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, &before);
    const mode_t mask = ::umask(077);
    ::umask(mask);
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    return mask;
  }
#endif
  return std::nullopt;
}

/// A nameless file in memory shows the umask in its mode, at half the price of /proc/self/status.
std::optional<unsigned> umask_of_new_file() noexcept {
  unique_fd file(::open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0777));
  struct stat created;
  if (!file || ::fstat(file.get(), &created) < 0) return std::nullopt;
  return 0777u & ~static_cast<unsigned>(created.st_mode);
}

} // namespace

unsigned current_umask(const std::string& blame) {
  if (std::optional<unsigned> seen = umask_of_only_thread()) return *seen;
  if (std::optional<unsigned> seen = umask_of_new_file()) return *seen;
  constexpr unsigned usual = 022; // where there is no /proc
  // "Name:\t...\nUmask:\t0022\n": the second line, always.
  char text[128];
  errno = 0;
  if (read_beginning("/proc/self/status", text) == 0) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
      throw_errno(errno, blame + ": cannot find out the umask");
    return usual;
  }
  const char* at = std::strstr(text, "\nUmask:\t");
  return at ? static_cast<unsigned>(std::strtoul(at + 8, nullptr, 8)) : usual;
}

void set_umask(unsigned mask) noexcept { ::umask(static_cast<mode_t>(mask)); }

std::size_t resident_bytes() noexcept {
  char text[128];
  if (read_beginning("/proc/self/statm", text) == 0) return 0;
  // "total resident shared ...", in pages
  char* end = text;
  std::strtoull(text, &end, 10);
  return static_cast<std::size_t>(std::strtoull(end, nullptr, 10)) *
         static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

} // namespace coproc::os
