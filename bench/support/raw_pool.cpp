#include "raw_pool.hpp"

#include "raw_function.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <vector>

#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

namespace bench::raw {

namespace {

constexpr std::size_t frame = 8;

/// Answers each frame with one.
[[noreturn]] void answer(int socket) {
  std::vector<char> buffer(64 * 1024);
  std::size_t kept = 0;
  for (;;) {
    const ssize_t got = ::read(socket, buffer.data() + kept, buffer.size() - kept);
    if (got <= 0) ::_exit(0);
    kept += static_cast<std::size_t>(got);
    const std::size_t whole = kept / frame * frame;
    if (::send(socket, buffer.data(), whole, MSG_NOSIGNAL) != static_cast<ssize_t>(whole)) ::_exit(1);
    std::copy(buffer.begin() + static_cast<std::ptrdiff_t>(whole),
              buffer.begin() + static_cast<std::ptrdiff_t>(kept), buffer.begin());
    kept -= whole;
  }
}

struct child {
  int socket = -1;
  std::int64_t under_way = 0; // bytes
};

std::array<child, 2> start() {
  std::array<child, 2> children;
  for (child& each : children) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) fail("socketpair");
    const pid_t pid = ::fork();
    if (pid < 0) fail("fork");
    if (pid == 0) {
      close_all_but(ends[1]);
      answer(ends[1]);
    }
    ::close(ends[1]);
    each.socket = ends[0];
  }
  return children;
}

} // namespace

outcome call_in_bulk(const workload& work) {
  static std::array<child, 2> children = start(); // they end with this process
  std::vector<char> buffer(static_cast<std::size_t>(work.width) * frame);
  std::int64_t to_send = work.count * static_cast<std::int64_t>(frame), to_come = to_send;
  const std::int64_t window = work.width * static_cast<std::int64_t>(frame);
  const auto begin = std::chrono::steady_clock::now();
  while (to_come != 0) {
    std::array<pollfd, 2> wait{};
    for (std::size_t i = 0; i != children.size(); ++i) {
      child& each = children[i];
      const std::int64_t room = std::min(window - each.under_way, to_send);
      if (room != 0) {
        const ssize_t sent = ::send(each.socket, buffer.data(), static_cast<std::size_t>(room), MSG_NOSIGNAL);
        if (sent < 0) fail("send");
        each.under_way += sent;
        to_send -= sent;
      }
      wait[i] = {each.under_way != 0 ? each.socket : -1, POLLIN, 0};
    }
    if (::poll(wait.data(), wait.size(), -1) < 0 && errno != EINTR) fail("poll");
    for (std::size_t i = 0; i != children.size(); ++i) {
      if ((wait[i].revents & POLLIN) == 0) continue;
      const ssize_t got = ::read(children[i].socket, buffer.data(), buffer.size());
      if (got <= 0) fail("read");
      children[i].under_way -= got;
      to_come -= got;
    }
  }
  return {std::chrono::steady_clock::now() - begin};
}

void burn_for(std::int64_t milliseconds) {
  auto used = [] {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return std::int64_t(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
  };
  const std::int64_t end = used() + milliseconds * 1'000'000;
  while (used() < end)
    for (volatile int i = 0; i < 10'000;) i = i + 1;
}

outcome burn(const workload& work) {
  const auto begin = std::chrono::steady_clock::now();
  std::array<pid_t, 2> children{};
  for (std::size_t i = 0; i != children.size(); ++i) {
    const std::int64_t share = (work.count + std::int64_t(i)) / 2;
    children[i] = ::fork();
    if (children[i] < 0) fail("fork");
    if (children[i] == 0) {
      burn_for(share * work.width);
      ::_exit(0);
    }
  }
  for (pid_t each : children) ::waitpid(each, nullptr, 0);
  outcome result;
  result.elapsed = std::chrono::steady_clock::now() - begin;
  return result;
}

} // namespace bench::raw
