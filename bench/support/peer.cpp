#include "peer.hpp"

#include "config.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <optional>
#include <spawn.h>
#include <sstream>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace bench {

namespace {

/// A server in another process. A request is a line, and so is the answer:
///
///     hello                                -> ok <name and version>;<question>,<question>,...
///     host <MiB> <descriptors>             -> ok 0
///     <question> <program> <count> <width> -> ok <elapsed ns> [<99th percentile ns>]
///
/// or `error <text>`. It ends when its stdin does.
class server {
public:
  explicit server(std::vector<std::string> arguments) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) fail("socketpair");
    fd_ = ends[0];
    std::vector<char*> argv;
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, ends[1], 0);
    ::posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    const int error = ::posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    if (error != 0) pid_ = -1;
  }
  ~server() {
    ::close(fd_);
    if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
  }
  server(const server&) = delete;
  server& operator=(const server&) = delete;

  /// @returns what follows the "ok ".
  std::string ask(std::string line) const {
    line += '\n';
    if (::send(fd_, line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size()))
      throw std::runtime_error("peer is gone");
    std::string answer;
    for (char c; true;) {
      const ssize_t n = ::read(fd_, &c, 1);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) throw std::runtime_error("peer is gone");
      if (c == '\n') break;
      answer += c;
    }
    if (answer.rfind("ok ", 0) != 0) throw std::runtime_error(answer);
    return answer.substr(3);
  }

private:
  int fd_ = -1;
  pid_t pid_ = -1;
};

struct peer {
  std::string name;
  std::vector<std::string> arguments; // empty: not installed when this was built
  std::int64_t line_divisor = 1;      // takes a part of the lines of a full workload, see contestant::divisor
  std::shared_ptr<server> process{};
  std::string version{};
  std::vector<std::string> questions{};
};

/// Reads what a server answers to "hello".
void greet(peer& p) {
  std::istringstream greeting(p.process->ask("hello"));
  std::getline(greeting, p.version, ';');
  for (std::string question; std::getline(greeting, question, ',');) p.questions.push_back(question);
}

std::vector<std::string> installed(std::string program, std::vector<std::string> arguments = {}) {
  if (program.empty()) return {};
  arguments.insert(arguments.begin(), std::move(program));
  return arguments;
}

std::vector<peer> start_all() {
  const char* tokio =
      std::getenv("COPROC_BENCH_TOKIO"); // Cargo needs the network, so the build leaves it alone
  std::vector<peer> all;
  all.push_back({"python_subprocess", installed(config::python, {config::peers + "/subprocess_peer.py"}), 8});
  all.push_back(
      {"python_multiprocessing", installed(config::python, {config::peers + "/multiprocessing_peer.py"})});
  all.push_back({"python_process", installed(config::python, {config::peers + "/process_peer.py"})});
  all.push_back({"python_pool", installed(config::python, {config::peers + "/pool_peer.py"})});
  all.push_back({"node_pool", installed(config::node, {config::peers + "/node_pool_peer.js"})});
  all.push_back({"python_asyncio", installed(config::python, {config::peers + "/asyncio_peer.py"}), 32});
  all.push_back({"node", installed(config::node, {"--expose-gc", config::peers + "/node_peer.js"}), 16});
  all.push_back({"go", installed(config::go_peer)});
  all.push_back({"libuv", installed(config::uv_peer)});
  all.push_back({"tokio", installed(tokio != nullptr ? tokio : "")});
  std::erase_if(all, [](peer& p) {
    if (p.arguments.empty()) return true;
    try {
      p.process = std::make_shared<server>(p.arguments);
      greet(p);
      return false;
    } catch (const std::exception&) { // not installed any more
      return true;
    }
  });
  return all;
}

const std::vector<peer>& all_peers() {
  static const std::vector<peer> all = start_all();
  return all;
}

} // namespace

std::vector<contestant> peers(std::string_view question) {
  std::vector<contestant> result;
  for (const auto& p : all_peers()) {
    if (std::find(p.questions.begin(), p.questions.end(), question) == p.questions.end()) continue;
    contestant who;
    who.name = p.name;
    who.divisor = question == "lines" ? p.line_divisor : 1;
    who.run = [process = p.process](const workload& work) {
      std::istringstream answer(process->ask(work.question + " " + work.program + " " +
                                             std::to_string(work.count) + " " + std::to_string(work.width)));
      std::int64_t elapsed = 0, tail = 0;
      answer >> elapsed >> tail;
      return outcome{nanoseconds(elapsed), nanoseconds(tail)};
    };
    who.prepare = [process = p.process](const host& where) {
      process->ask("host " + std::to_string(where.resident_mib) + " " + std::to_string(where.descriptors));
    };
    result.push_back(std::move(who));
  }
  return result;
}

std::vector<std::pair<std::string, std::string>> peer_versions() {
  std::vector<std::pair<std::string, std::string>> result;
  for (const auto& p : all_peers()) result.emplace_back(p.name, p.version);
  return result;
}

} // namespace bench
