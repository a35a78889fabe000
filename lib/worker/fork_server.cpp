#include "worker/fork_server.hpp"

#include "ipc/message_buffer.hpp"
#include "ipc/packet.hpp"
#include "os/child_watch.hpp"
#include "os/fork.hpp"
#include "os/open.hpp"
#include "os/ready.hpp"
#include "os/reap.hpp"
#include "os/self.hpp"
#include "os/signal.hpp"
#include "worker/end_report.hpp"
#include "worker/function_child.hpp"
#include "worker/protocol.hpp"
#include "worker/served_child.hpp"

#include <coproc/wire.hpp>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <exception>
#include <unordered_map>

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
    send(fork_kind::hello, server_hello{.usable = usable});
    if (!usable) return;
    while (host_is_there_ || !children_.empty()) wait();
  }

private:
  /// Never blocks: a host that does not read for a while must not keep children from being reaped.
  template <class Words>
  void send(fork_kind kind, const Words& words, os::unique_fd descriptor = {}) {
    if (descriptor) reply_.attach(descriptor.release());
    wire::encode(reply_, words);
    if (!unsent_.empty() || !try_send(kind, reply_)) unsent_.push_back({kind, std::exchange(reply_, {})});
    reply_.clear();
  }

  void flush() {
    while (!unsent_.empty()) {
      if (!try_send(unsent_.front().kind, unsent_.front().body)) return;
      if (host_is_there_) unsent_.pop_front();
    }
  }

  /// @returns whether nothing more is to be done about it.
  bool try_send(fork_kind kind, message& body) {
    const int error = send_message(socket_.get(), static_cast<std::uint32_t>(kind), body, os::blocking::no);
    if (error == EAGAIN) return false;
    if (error == ETOOMANYREFS || error == ENOMEM || error == ENOBUFS) {
      short_of_memory_ = true; // or of descriptors that may be under way: nothing tells when that is over
      return false;
    }
    if (error != 0) leave_host();
    return true;
  }

  /// The host is gone, or of no use any more.
  void leave_host() noexcept {
    host_is_there_ = false;
    unsent_.clear();
    socket_.reset();
    // Nobody is to wait for the end of the host's stderr because of children that it has detached.
    os::set_standard_stream(2, os::duplicate(0));
  }

  /// Waits for something to do, and does it.
  void wait() {
    const bool retry = std::exchange(short_of_memory_, false);
    std::array<os::watched, 3> all;
    auto& [children, socket, host] = all;
    children = {.fd = watch_.fd()};
    socket = {.fd = socket_.get(), .input = !retry, .output = !retry && !unsent_.empty()};
    host = {.fd = host_is_there_ ? host_pidfd_.get() : -1};
    os::wait_ready(all, retry ? 10 : -1);
    // A copy of the host's socket may live on in a process that the host has forked.
    if (host.ready) {
      while (host_is_there_ && receive()) { // its last words: what it wants to be sent to groups
      }
      leave_host();
    }
    if (host_is_there_) flush();
    if (children.ready) reap();
    if (host_is_there_ && (retry || socket.ready)) receive();
  }

  /// @returns whether there was a request.
  bool receive() {
    if (would_lose_bytes(socket_.get())) {
      short_of_memory_ = true; // or of the one descriptor without which nobody could be told
      return false;
    }
    incoming request = receive_message(socket_.get(), buffer_.bytes(), os::blocking::no);
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
    const auto request = wire::decode<start_request>(bytes, nullptr);
    // Requests that were sent before the host hears of it rely on what came with this one.
    if (request.new_environment) enter_environment(request.environment);
    if (request.new_directory) directory_error_ = error;
    start_reply reply;
    reply.id = request.id;
    reply.error = error;
    send(fork_kind::started, reply);
  }

  void enter_environment(const std::vector<std::string>& variables) {
    environment_ = environment(variables);
    environ = environment_.pointers(); // the server's own: its children inherit it
  }

  /// What a child has of the host's, it inherits from here.
  void surround(const served_request& request) {
    if (request.start.new_environment) enter_environment(request.start.environment);
    if (request.start.new_directory)
      directory_error_ = os::enter_directory(request.directory.get()) ? 0 : errno;
    if (request.start.umask != umask_) os::set_umask(umask_ = request.start.umask);
  }

  void start(std::span<const std::byte> bytes, message& descriptors) {
    served_request request(bytes, descriptors);
    start_reply reply;
    reply.id = request.start.id;
    os::unique_fd pidfd;
    surround(request);
    if (!request.code) {
      reply.missing_code = true;
    } else if (directory_error_ != 0) {
      reply.error = directory_error_;
      reply.not_there = true;
    } else {
      os::launched child = os::fork_process();
      if (child.pid == 0) {
        leave_to_child();
        run_served(request, host_);
      }
      reply.pid = child.pid;
      if (child.pid < 0)
        reply.error = errno;
      else
        children_.emplace(child.pid, request.start.id);
      pidfd = std::move(child.pidfd);
    }
    send(fork_kind::started, reply, std::move(pidfd));
  }

  /// In a child: nothing of the server is left.
  void leave_to_child() noexcept {
    watch_.undo();
    socket_.reset();
    host_pidfd_.reset();
    unsent_.clear();
  }

  void reap() {
    watch_.forget();
    while (!children_.empty()) {
      const int pid = os::ended_child();
      if (pid == 0) return;
      // What the host wants to be sent to its group, before its id can be somebody else's.
      while (host_is_there_ && receive()) {
      }
      std::optional<os::exit_record> record = os::try_reap(pid, -1);
      auto at = children_.find(pid);
      if (!record || at == children_.end()) continue;
      if (host_is_there_) send(fork_kind::ended, report_of(at->second, *record));
      children_.erase(at);
    }
  }

  void signal(std::span<const std::byte> bytes) {
    const auto wanted = wire::decode<child_signal>(bytes, nullptr);
    for (const auto& [pid, id] : children_)
      if (id == wanted.id) (wanted.to_group ? os::signal_group : os::signal_process)(pid, -1, wanted.number);
  }

  os::unique_fd socket_;
  int host_;
  os::unique_fd host_pidfd_;
  environment environment_;
  std::unordered_map<int, std::uint64_t> children_; // by pid: the id of the request
  struct outgoing {
    fork_kind kind;
    message body;
  };
  std::deque<outgoing> unsent_;
  // Kept for its memory: whatever is written to after a fork has to be copied by the kernel, page by page.
  message reply_;
  message_buffer buffer_{max_inline};
  os::child_watch watch_;
  unsigned umask_ = os::current_umask("fork server");
  int directory_error_ = 0; // errno: it is not in the host's working directory
  bool host_is_there_ = true;
  bool short_of_memory_ = false;
};

} // namespace

void serve_forks(os::unique_fd socket, int host) noexcept {
  try {
    os::show_name("coproc-forks");
    fork_server(std::move(socket), host).run();
    std::_Exit(0);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "coproc: the fork server ends: %s\n", error.what());
    std::_Exit(125);
  }
}

} // namespace coproc::detail
