#include "support/host_state.hpp"

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <system_error>

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

namespace coproc::test {

namespace {

int checked(int result, const char* what) {
  if (result < 0) throw std::system_error(errno, std::system_category(), what);
  return result;
}

} // namespace

scratch_directory::scratch_directory() {
  std::string name = (std::filesystem::temp_directory_path() / "coproc-test-XXXXXX").string();
  if (!::mkdtemp(name.data())) throw std::system_error(errno, std::system_category(), "mkdtemp");
  path_ = std::filesystem::canonical(name);
}

scratch_directory::~scratch_directory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::filesystem::path scratch_directory::file(const std::string& name, const std::string& content,
                                              unsigned mode) const {
  std::filesystem::path path = path_ / name;
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path) << content;
  checked(::chmod(path.c_str(), mode), "chmod");
  return path;
}

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

disposition::disposition(int number, void (*handler)(int), int flags) : number_(number) {
  struct sigaction now {};
  now.sa_handler = handler;
  now.sa_flags = flags;
  checked(::sigaction(number, &now, &before_), "sigaction");
}

disposition::~disposition() { ::sigaction(number_, &before_, nullptr); }

blocked_signals::blocked_signals() {
  sigset_t all;
  ::sigfillset(&all);
  ::sigdelset(&all, SIGALRM); // the watchdog's
  ::pthread_sigmask(SIG_SETMASK, &all, &before_);
}

blocked_signals::~blocked_signals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

supplementary_groups::supplementary_groups(const std::vector<gid_t>& groups)
    : before_(static_cast<std::size_t>(checked(::getgroups(0, nullptr), "getgroups"))) {
  checked(::getgroups(static_cast<int>(before_.size()), before_.data()), "getgroups");
  checked(::setgroups(groups.size(), groups.data()), "setgroups");
}

supplementary_groups::~supplementary_groups() { ::setgroups(before_.size(), before_.data()); }

lowered_limit::lowered_limit(int resource, rlim_t soft) : resource_(resource) {
  const auto which = static_cast<__rlimit_resource_t>(resource);
  checked(::getrlimit(which, &before_), "getrlimit");
  rlimit now = before_;
  now.rlim_cur = soft;
  checked(::setrlimit(which, &now), "setrlimit");
}

lowered_limit::~lowered_limit() { ::setrlimit(static_cast<__rlimit_resource_t>(resource_), &before_); }

host_variable::host_variable(const char* name, const char* value) : name_(name) {
  const char* before = std::getenv(name);
  was_set_ = before != nullptr;
  if (was_set_) before_ = before;
  if (value)
    ::setenv(name, value, 1);
  else
    ::unsetenv(name);
}

host_variable::~host_variable() {
  if (was_set_)
    ::setenv(name_.c_str(), before_.c_str(), 1);
  else
    ::unsetenv(name_.c_str());
}

redirected::redirected(int number, int replacement)
    : number_(number), kept_(checked(::fcntl(number, F_DUPFD_CLOEXEC, 200), "dup")) {
  ::dup2(replacement, number);
}

redirected::~redirected() {
  ::dup2(kept_, number_);
  ::close(kept_);
}

open_descriptor::open_descriptor(const std::filesystem::path& path, int flags)
    : fd_(checked(::open(path.c_str(), flags | O_CLOEXEC, 0644), "open")) {}

void open_descriptor::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

std::pair<open_descriptor, open_descriptor> make_pipe() {
  int ends[2];
  checked(::pipe2(ends, O_CLOEXEC), "pipe2");
  return {open_descriptor(ends[0]), open_descriptor(ends[1])};
}

std::string read_to_end(int fd) {
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = ::read(fd, buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<std::size_t>(n));
  return text;
}

} // namespace coproc::test
