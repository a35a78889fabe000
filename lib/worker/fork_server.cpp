#include "worker/fork_server.hpp"

#include "ipc/packet.hpp"
#include "os/child_watch.hpp"
#include "os/fault.hpp"
#include "os/launch.hpp"
#include "os/reap.hpp"
#include "os/threads.hpp"
#include "worker/function_child.hpp"
#include "worker/protocol.hpp"
#include "worker/served_child.hpp"

#include <coproc/wire.hpp>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <exception>
#include <memory>
#include <unordered_map>

#include <poll.h>
#include <signal.h>
#include <unistd.h>

namespace coproc::detail {

namespace {

/// A block of environment variables that environ can point to.
class environment {
public:
  explicit environment(std::vector<std::string> variables) : variables_(std::move(variables)) {
    for (std::string& variable : variables_) pointers_.push_back(variable.data());
    pointers_.push_back(nullptr);
  }
  char** pointers() noexcept { return pointers_.data(); }

private:
  std::vector<std::string> variables_;
  std::vector<char*> pointers_;
};

class fork_server {
public:
  fork_server(os::unique_fd socket, int host)
      : socket_(std::move(socket)), host_(host), host_pidfd_(os::open_pidfd(host)), environment_({}) {}

  void run() {
    const bool usable = os::is_single_threaded();
    message hello;
    wire::encode(hello, server_hello{.usable = usable});
    send(fork_kind::hello, std::move(hello));
    if (!usable) return;
    while (host_is_there_ || !children_.empty()) {
      reap();
      if (host_is_there_ && receive()) continue;
      if (host_is_there_ || !children_.empty()) wait();
    }
  }

private:
  /// Never blocks: a host that does not read for a while must not keep children from being reaped.
  void send(fork_kind kind, message body) {
    unsent_.push_back({static_cast<std::uint32_t>(kind), std::move(body)});
    flush();
  }

  void flush() {
    while (!unsent_.empty()) {
      const int error =
          send_message(socket_.get(), unsent_.front().kind, unsent_.front().body, os::blocking::no);
      if (error == EAGAIN) return;
      if (error == ETOOMANYREFS || error == ENOMEM || error == ENOBUFS) {
        short_of_memory_ = true; // or of descriptors that may be under way: nothing tells when that is over
        return;
      }
      if (error != 0) return leave_host();
      unsent_.pop_front();
    }
  }

  /// The host is gone, or of no use any more.
  void leave_host() noexcept {
    host_is_there_ = false;
    unsent_.clear();
    socket_.reset();
    // Nobody is to wait for the end of the host's stderr because of children that it has detached.
    ::dup2(0, 2);
  }

  void wait() {
    const bool retry = std::exchange(short_of_memory_, false);
    const short for_socket = static_cast<short>(POLLIN | (unsent_.empty() || retry ? 0 : POLLOUT));
    // A descriptor of -1 is left out, poll(2).
    pollfd watched[3] = {{watch_.fd(), POLLIN, 0},
                         {host_is_there_ ? socket_.get() : -1, for_socket, 0},
                         {host_is_there_ ? host_pidfd_.get() : -1, POLLIN, 0}};
    const int ready = ::poll(watched, 3, retry ? 10 : -1);
    if (ready > 0 && watched[0].revents != 0) watch_.forget();
    // A copy of the host's socket may live on in a process that the host has forked.
    if (ready > 0 && watched[2].revents != 0) leave_host();
    if (host_is_there_) flush();
  }

  /// @returns whether there was a request.
  bool receive() {
    incoming request = receive_message(socket_.get(), {buffer_.get(), max_inline}, os::blocking::no);
    if (request.error == EAGAIN) return false;
    if (request.error == ENOMEM || request.error == ENOBUFS) {
      short_of_memory_ = true;
      return false;
    }
    const bool descriptors_lost = request.error == EMFILE;
    if (request.closed || (request.error != 0 && !descriptors_lost)) {
      leave_host();
      return false;
    }
    switch (static_cast<fork_kind>(request.kind)) {
    case fork_kind::start:
      if (descriptors_lost)
        refuse(request.bytes(), EMFILE);
      else
        start(request.bytes(), request.body);
      break;
    case fork_kind::signal:
      signal(request.bytes());
      break;
    default:
      break;
    }
    return true;
  }

  void refuse(std::span<const std::byte> bytes, int error) {
    start_reply reply;
    reply.id = wire::decode<start_request>(bytes, nullptr).id;
    reply.error = error;
    message encoded;
    wire::encode(encoded, reply);
    send(fork_kind::started, std::move(encoded));
  }

  void start(std::span<const std::byte> bytes, message& descriptors) {
    served_request request(bytes, descriptors);
    start_reply reply;
    reply.id = request.start.id;
    message encoded;
    if (request.start.new_environment) {
      environment_ = environment(request.start.environment);
      environ = environment_.pointers(); // the server's own: its children inherit it
    }
    if (!request.code) {
      reply.missing_code = true;
    } else {
      const pid_t pid = fork();
      if (pid == 0) run_served(request, host_);
      reply.pid = pid;
      if (pid < 0) {
        reply.error = errno;
      } else {
        children_.emplace(pid, request.start.id);
        if (os::unique_fd pidfd = os::open_pidfd(pid)) encoded.attach(pidfd.release());
      }
    }
    wire::encode(encoded, reply);
    send(fork_kind::started, std::move(encoded));
  }

  /// @returns as fork(2); in the child nothing of the server is left.
  pid_t fork() noexcept {
    if (int injected = os::injected_error(os::call::fork)) {
      errno = injected;
      return -1;
    }
    const pid_t pid = ::fork();
    if (pid > 0) ::setpgid(pid, pid); // as the child does: a signal to its group may come before it runs
    if (pid == 0) {
      ::setpgid(0, 0);
      watch_.undo();
      socket_.reset();
      host_pidfd_.reset();
      unsent_.clear();
    }
    return pid;
  }

  void reap() {
    while (const int pid = os::ended_child()) {
      // What the host wants to be sent to its group, before its id can be somebody else's.
      while (host_is_there_ && receive()) {
      }
      std::optional<os::exit_record> record = os::try_reap(pid, -1);
      auto at = children_.find(pid);
      if (!record || at == children_.end()) continue;
      report(at->second, *record);
      children_.erase(at);
    }
  }

  void report(std::uint64_t id, const os::exit_record& record) {
    if (!host_is_there_) return;
    end_report result;
    result.id = id;
    result.known = record.status.known();
    result.code = record.status.returncode();
    result.core_dumped = record.status.core_dumped();
    if (record.usage) {
      using std::chrono::nanoseconds;
      const resource_usage& usage = *record.usage;
      result.user = std::chrono::duration_cast<nanoseconds>(usage.user).count();
      result.system = std::chrono::duration_cast<nanoseconds>(usage.system).count();
      result.max_rss_bytes = usage.max_rss_bytes;
      result.minor_faults = usage.minor_faults;
      result.major_faults = usage.major_faults;
      result.voluntary = usage.voluntary_context_switches;
      result.involuntary = usage.involuntary_context_switches;
    }
    message encoded;
    wire::encode(encoded, result);
    send(fork_kind::ended, std::move(encoded));
  }

  void signal(std::span<const std::byte> bytes) {
    const auto wanted = wire::decode<child_signal>(bytes, nullptr);
    for (const auto& [pid, id] : children_)
      if (id == wanted.id) ::kill(wanted.to_group ? -pid : pid, wanted.number);
  }

  os::unique_fd socket_;
  int host_;
  os::unique_fd host_pidfd_;
  environment environment_;
  std::unordered_map<int, std::uint64_t> children_; // by pid: the id of the request
  struct outgoing {
    std::uint32_t kind;
    message body;
  };
  std::deque<outgoing> unsent_;
  std::unique_ptr<std::byte[]> buffer_ = std::make_unique_for_overwrite<std::byte[]>(max_inline);
  os::child_watch watch_;
  bool host_is_there_ = true;
  bool short_of_memory_ = false;
};

} // namespace

void serve_forks(os::unique_fd socket, int host) noexcept {
  try {
    show_name("coproc-forks");
    fork_server(std::move(socket), host).run();
    ::_exit(0);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "coproc: the fork server ends: %s\n", error.what());
    ::_exit(125);
  }
}

} // namespace coproc::detail
