#include "crowd.hpp"

#include <cerrno>
#include <chrono>
#include <exception>
#include <stdexcept>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace bench {

namespace {

bool read_one(int fd) {
  char byte;
  ssize_t n;
  do n = ::read(fd, &byte, 1);
  while (n < 0 && errno == EINTR);
  return n == 1;
}

} // namespace

crowd::crowd() {
  for (int* ends : {gate_, ready_, done_})
    if (::pipe(ends) != 0) fail("pipe");
}

crowd::~crowd() {
  for (pid_t member : members_) {
    ::kill(member, SIGKILL);
    ::waitpid(member, nullptr, 0);
  }
  for (int* ends : {gate_, ready_, done_})
    for (int i = 0; i != 2; ++i) ::close(ends[i]);
}

void crowd::add(const std::function<void()>& get_ready, const std::function<void()>& work) {
  const pid_t pid = ::fork();
  if (pid < 0) fail("fork");
  if (pid != 0) return members_.push_back(pid);
  try {
    get_ready();
    if (::write(ready_[1], "r", 1) != 1 || !read_one(gate_[0])) ::_exit(1);
    work();
    if (::write(done_[1], "d", 1) != 1) ::_exit(1);
    while (::pause(), true) {
    } // its end is not to be measured
  } catch (const std::exception&) {
    const ssize_t written = ::write(done_[1], "f", 1);
    ::_exit(written == 1 ? 1 : 2);
  }
}

nanoseconds crowd::run() {
  for (std::size_t i = 0; i != members_.size(); ++i) read_one(ready_[0]);
  const auto begin = std::chrono::steady_clock::now();
  const std::vector<char> go(members_.size(), 'g');
  if (::write(gate_[1], go.data(), go.size()) < 0) fail("write");
  for (std::size_t i = 0; i != members_.size(); ++i) {
    char how = 'f';
    if (::read(done_[0], &how, 1) != 1 || how != 'd') throw std::runtime_error("a process failed");
  }
  return std::chrono::steady_clock::now() - begin;
}

} // namespace bench
