#include "raw_function.hpp"

#include "kept_loop.hpp"

#include <asio/posix/stream_descriptor.hpp>
#include <asio/this_coro.hpp>

#include <cstring>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <vector>

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace bench::raw {

namespace {

constexpr char reexec_mark[] = "--bench-reexecuted";
int server = -1;

void require(bool good, const char* operation) {
  if (!good) fail(operation);
}

struct answer {
  int what;
};

[[noreturn]] void serve(int socket) {
  char request;
  while (::read(socket, &request, 1) == 1) {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(0);
    answer reply{pid};
    if (::write(socket, &reply, sizeof reply) < 0) break;
    int status = -1;
    ::waitpid(pid, &status, 0);
    reply.what = status;
    if (::write(socket, &reply, sizeof reply) < 0) break;
  }
  ::_exit(0);
}

/// A child with one end of a pair of packet sockets; the other end is returned.
template <class Function>
int with_child(Function child, pid_t& pid) {
  int ends[2];
  require(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
  pid = ::fork();
  require(pid >= 0, "fork");
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    close_all_but(ends[1]);
    child(ends[1]);
    ::_exit(0);
  }
  ::close(ends[1]);
  return ends[0];
}

[[noreturn]] void echo(int socket) {
  char buffer[65536];
  for (;;) {
    const ssize_t size = ::recv(socket, buffer, sizeof buffer, 0);
    if (size <= 0 || ::send(socket, buffer, static_cast<std::size_t>(size), MSG_NOSIGNAL) < 0) ::_exit(0);
  }
}

asio::awaitable<void> ping_pong(const workload& work, int fd) {
  asio::posix::stream_descriptor socket(co_await asio::this_coro::executor, fd);
  std::vector<char> buffer(static_cast<std::size_t>(work.width));
  for (std::int64_t n = 0; n < work.count; ++n) {
    co_await socket.async_write_some(asio::buffer(buffer), asio::use_awaitable);
    co_await socket.async_read_some(asio::buffer(buffer), asio::use_awaitable);
  }
  socket.release();
}

asio::awaitable<void> receive_all(const workload& work, int fd) {
  asio::posix::stream_descriptor socket(co_await asio::this_coro::executor, fd);
  std::vector<char> buffer(static_cast<std::size_t>(work.width));
  for (std::int64_t n = 0; n < work.count; ++n)
    co_await socket.async_read_some(asio::buffer(buffer), asio::use_awaitable);
  socket.release();
}

} // namespace

void close_all_but(int fd) {
  for (int other = 3; other < 1024; ++other)
    if (other != fd) ::close(other);
}

void start_fork_server() {
  int ends[2];
  require(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
  const pid_t pid = ::fork();
  require(pid >= 0, "fork");
  if (pid == 0) {
    close_all_but(ends[1]);
    serve(ends[1]);
  }
  ::close(ends[1]);
  server = ends[0];
}

outcome ask_fork_server(const workload& work) {
  const auto begin = std::chrono::steady_clock::now();
  for (std::int64_t n = 0; n < work.count; ++n) {
    answer reply{};
    require(::write(server, "s", 1) == 1, "write");
    require(::read(server, &reply, sizeof reply) == sizeof reply, "read");
    require(::read(server, &reply, sizeof reply) == sizeof reply, "read");
    if (reply.what != 0) throw std::runtime_error("the child failed");
  }
  return {std::chrono::steady_clock::now() - begin};
}

outcome fork_and_wait(const workload& work) {
  const auto begin = std::chrono::steady_clock::now();
  for (std::int64_t n = 0; n < work.count; ++n) {
    const pid_t pid = ::fork();
    require(pid >= 0, "fork");
    if (pid == 0) ::_exit(0);
    int status = -1;
    ::waitpid(pid, &status, 0);
    if (status != 0) throw std::runtime_error("the child failed");
  }
  return {std::chrono::steady_clock::now() - begin};
}

outcome reexec_and_wait(const workload& work) {
  const auto begin = std::chrono::steady_clock::now();
  for (std::int64_t n = 0; n < work.count; ++n) {
    const pid_t pid = ::vfork();
    require(pid >= 0, "vfork");
    if (pid == 0) {
      char self[] = "bench", mark[sizeof reexec_mark];
      std::memcpy(mark, reexec_mark, sizeof mark);
      char* arguments[] = {self, mark, nullptr};
      ::execve("/proc/self/exe", arguments, environ);
      ::_exit(127);
    }
    int status = -1;
    ::waitpid(pid, &status, 0);
    if (status != 0) throw std::runtime_error("the child failed");
  }
  return {std::chrono::steady_clock::now() - begin};
}

void end_if_reexecuted(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == reexec_mark) ::_exit(0);
}

outcome echo_asio(const workload& work) {
  static pid_t pid = -1;
  static const int socket = with_child(echo, pid);
  return run_alone_on_kept_loop(work, [](const workload& w) { return ping_pong(w, socket); });
}

outcome receive_asio(const workload& work) {
  pid_t pid = -1;
  const int socket = with_child(
      [&](int to) {
        const std::vector<char> data(static_cast<std::size_t>(work.width));
        for (std::int64_t n = 0; n < work.count; ++n)
          if (::send(to, data.data(), data.size(), MSG_NOSIGNAL) < 0) break;
      },
      pid);
  const outcome result =
      run_alone_on_kept_loop(work, [socket](const workload& w) { return receive_all(w, socket); });
  ::close(socket);
  ::waitpid(pid, nullptr, 0);
  return result;
}

outcome copy(const workload& work) {
  static std::vector<char> source;
  const auto size = static_cast<std::size_t>(work.width);
  if (source.size() != size) source.assign(size, 'x');
  nanoseconds elapsed{};
  for (std::int64_t n = 0; n < work.count; ++n) {
    const auto begin = std::chrono::steady_clock::now();
    std::unique_ptr<char[]> destination(new char[size]);
    std::memcpy(destination.get(), source.data(), size);
    asm volatile("" : : "r"(destination.get()) : "memory");
    elapsed += std::chrono::steady_clock::now() - begin;
  }
  return {elapsed};
}

} // namespace bench::raw
