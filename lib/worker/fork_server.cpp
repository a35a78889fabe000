#include "worker/fork_server.hpp"

#include "ipc/packet.hpp"
#include "os/code_address.hpp"
#include "os/fault.hpp"
#include "os/launch.hpp"
#include "os/reap.hpp"
#include "os/threads.hpp"
#include "worker/bootstrap.hpp"
#include "worker/function_child.hpp"
#include "worker/protocol.hpp"

#include <coproc/wire.hpp>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <exception>
#include <unordered_map>

#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace coproc::detail {

namespace {

void do_nothing(int) {}

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
      : socket_(std::move(socket)), host_(host), host_pidfd_(os::open_pidfd(host)), environment_({}) {
    // A SIGCHLD has to interrupt the wait, and nothing else.
    sigset_t child_ended;
    ::sigemptyset(&child_ended);
    ::sigaddset(&child_ended, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &child_ended, &undisturbed_);
    struct sigaction interrupt {};
    interrupt.sa_handler = do_nothing;
    ::sigaction(SIGCHLD, &interrupt, nullptr);
  }

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
  struct descriptors {
    os::unique_fd channel, lifeline, directory;
    std::array<os::unique_fd, 3> streams;
  };

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
    pollfd watched[2] = {{socket_.get(), for_socket, 0}, {host_pidfd_.get(), POLLIN, 0}};
    nfds_t count = host_is_there_ ? (host_pidfd_ ? 2 : 1) : 0;
    const timespec moment{0, 10'000'000};
    int ready = ::ppoll(watched, count, retry ? &moment : nullptr, &undisturbed_);
    // A copy of the host's socket may live on in a process that the host has forked.
    if (ready > 0 && count == 2 && watched[1].revents != 0) leave_host();
    if (host_is_there_) flush();
  }

  /// @returns whether there was a request.
  bool receive() {
    incoming request = receive_message(socket_.get(), os::blocking::no);
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
        refuse(request.body, EMFILE);
      else
        start(request.body);
      break;
    case fork_kind::signal:
      signal(wire::decode<child_signal>(request.body));
      break;
    default:
      break;
    }
    return true;
  }

  void refuse(message& body, int error) {
    start_reply reply;
    reply.id = wire::decode<start_request>(body).id;
    reply.error = error;
    message encoded;
    wire::encode(encoded, reply);
    send(fork_kind::started, std::move(encoded));
  }

  void start(message& body) {
    auto request = wire::decode<start_request>(body);
    if (request.new_environment) environment_ = environment(std::move(request.environment));
    descriptors given;
    std::size_t index = 0;
    given.channel.reset(body.take(index++));
    given.lifeline.reset(body.take(index++));
    given.directory.reset(body.take(index++));
    for (unsigned i = 0; i != 3; ++i)
      if (request.streams & (1u << i)) given.streams[i].reset(body.take(index++));

    start_reply reply;
    reply.id = request.id;
    message encoded;
    if (!os::find_code(request.module_id, request.offset)) {
      reply.missing_code = true;
    } else {
      const int injected = os::injected_error(os::call::fork);
      const pid_t pid = injected ? -1 : ::fork();
      if (pid == 0) become_child(request, given);
      if (pid < 0) {
        reply.error = injected ? injected : errno;
      } else {
        ::setpgid(pid, pid); // as the child does: a signal to its group may come before it runs
        reply.pid = pid;
        children_.emplace(pid, request.id);
        if (os::unique_fd pidfd = os::open_pidfd(pid)) encoded.attach(pidfd.release());
      }
    }
    wire::encode(encoded, reply);
    send(fork_kind::started, std::move(encoded));
  }

  [[noreturn]] void become_child(const start_request& request, descriptors& given) noexcept {
    ::setpgid(0, 0);
    ::signal(SIGCHLD, SIG_DFL);
    ::sigprocmask(SIG_SETMASK, &undisturbed_, nullptr);
    // Above 2 all of them: the host saw to it, and this process has its own 0, 1 and 2 open.
    for (int i = 0; i != 3; ++i) {
      os::unique_fd& stream = given.streams[static_cast<std::size_t>(i)];
      if (stream)
        ::dup2(stream.get(), i);
      else
        ::close(i); // as in the host
      stream.reset();
    }
    bool moved = ::fchdir(given.directory.get()) == 0;
    given.directory.reset();
    ::umask(static_cast<mode_t>(request.umask));
    environ = environment_.pointers();
    const int host = host_;
    socket_.reset();
    host_pidfd_.reset();
    hold_lifeline(std::move(given.lifeline));
    if (!moved) {
      std::fprintf(stderr, "coproc: a child process can't go to the host's working directory\n");
      ::_exit(125);
    }
    run_call(std::move(given.channel), host, request.name, announce::no);
  }

  void reap() {
    while (!children_.empty()) {
      siginfo_t info;
      info.si_pid = 0;
      if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0) return;
      // What the host wants to be sent to its group, before its id can be somebody else's.
      while (host_is_there_ && receive()) {
      }
      std::optional<os::exit_record> record = os::try_reap(info.si_pid, -1);
      auto at = children_.find(info.si_pid);
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

  void signal(const child_signal& wanted) {
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
  sigset_t undisturbed_; // the signal mask without ours
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
