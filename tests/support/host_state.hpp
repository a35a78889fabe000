#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <signal.h>
#include <sys/resource.h>
#include <sys/types.h>

namespace coproc::test {

/// A directory of its own, removed with all that is in it.
class scratch_directory {
public:
  scratch_directory();
  scratch_directory(const scratch_directory&) = delete;
  ~scratch_directory();

  const std::filesystem::path& path() const { return path_; }
  /// @returns the path of a new file with this content and mode.
  std::filesystem::path file(const std::string& name, const std::string& content, unsigned mode = 0644) const;

private:
  std::filesystem::path path_;
};

std::string content_of(const std::filesystem::path& path);

// What a host program may have done to its own process, undone at the end of the scope.

/// Its disposition of a signal.
class disposition {
public:
  disposition(int number, void (*handler)(int), int flags = 0);
  disposition(const disposition&) = delete;
  ~disposition();

private:
  int number_;
  struct sigaction before_ {};
};

/// Blocks all signals in this thread.
class blocked_signals {
public:
  blocked_signals();
  blocked_signals(const blocked_signals&) = delete;
  ~blocked_signals();

private:
  sigset_t before_;
};

/// Its supplementary groups; root's to change.
class supplementary_groups {
public:
  explicit supplementary_groups(const std::vector<gid_t>& groups);
  supplementary_groups(const supplementary_groups&) = delete;
  ~supplementary_groups();

private:
  std::vector<gid_t> before_;
};

/// Lowers a soft limit.
class lowered_limit {
public:
  lowered_limit(int resource, rlim_t soft);
  lowered_limit(const lowered_limit&) = delete;
  ~lowered_limit();

private:
  int resource_;
  rlimit before_{};
};

/// Sets a variable of its environment; nullptr removes it.
class host_variable {
public:
  host_variable(const char* name, const char* value);
  host_variable(const host_variable&) = delete;
  ~host_variable();

private:
  std::string name_, before_;
  bool was_set_;
};

/// Puts something else in the place of a descriptor.
class redirected {
public:
  redirected(int number, int replacement);
  redirected(const redirected&) = delete;
  ~redirected();

private:
  int number_, kept_;
};

/// Opens a descriptor, closed at the end of the scope.
class open_descriptor {
public:
  explicit open_descriptor(int fd) : fd_(fd) {}
  open_descriptor(const std::filesystem::path& path, int flags);
  open_descriptor(open_descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~open_descriptor() { close(); }

  int get() const { return fd_; }
  void close();

private:
  int fd_;
};

/// @returns the read and the write end of a pipe, with close-on-exec.
std::pair<open_descriptor, open_descriptor> make_pipe();

/// All bytes until the end of @p fd.
std::string read_to_end(int fd);

} // namespace coproc::test
