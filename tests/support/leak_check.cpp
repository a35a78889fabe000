#include "support/leak_check.hpp"

#include "support/co_test.hpp"

#include <coproc/command.hpp>
#include <coproc/spawn.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>

#include <signal.h>
#include <sys/wait.h>

namespace coproc::test {

namespace {

namespace fs = std::filesystem;

/// The cheapest operation that looks after orphans: a start that fails.
void use_the_library() {
  asio::io_context loop;
  asio::co_spawn(loop, spawn(command("/nonexistent/program")), [](std::exception_ptr, child) {});
  loop.run();
}

template <class Condition>
bool eventually(Condition condition, duration limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    use_the_library();
  }
  return true;
}

/// So that the next test starts clean. @returns what they were.
std::string kill_children() {
  std::string names;
  for (const auto& task : fs::directory_iterator("/proc/self/task")) {
    std::ifstream children(task.path() / "children");
    for (int pid; children >> pid;) {
      std::ifstream file("/proc/" + std::to_string(pid) + "/cmdline");
      std::string name;
      std::getline(file, name);
      std::replace(name.begin(), name.end(), '\0', ' ');
      names += " " + std::to_string(pid) + " (" + (name.empty() ? "zombie" : name) + ")";
      ::kill(pid, SIGKILL);
    }
  }
  while (::waitpid(-1, nullptr, __WALL) > 0) {
  }
  return names;
}

std::string describe(const std::map<int, std::string>& descriptors) {
  std::string text;
  for (const auto& [number, target] : descriptors) text += " " + std::to_string(number) + " -> " + target;
  return text;
}

std::map<int, std::string> difference(const std::map<int, std::string>& more,
                                      const std::map<int, std::string>& less) {
  std::map<int, std::string> result;
  for (const auto& entry : more)
    if (!less.contains(entry.first)) result.insert(entry);
  return result;
}

} // namespace

process_state observe() {
  process_state state{};
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code gone; // the descriptor of this very listing
    fs::path target = fs::read_symlink(entry.path(), gone);
    if (!gone && target.string().find("/fd") == std::string::npos)
      state.descriptors.emplace(std::stoi(entry.path().filename()), target.string());
  }
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator("/proc/self/task")) ++state.threads;
  return state;
}

bool no_children() {
  siginfo_t info{};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) < 0 && errno == ECHILD;
}

void check_nothing_left(const process_state& before) {
  if (!eventually(no_children, deadline() / 4)) BOOST_ERROR("a child process is left:" + kill_children());

  process_state after{};
  auto as_before = [&] {
    after = observe();
    return after.threads == before.threads && after.descriptors.size() == before.descriptors.size();
  };
  eventually(as_before, std::chrono::seconds(1));
  BOOST_TEST(after.threads == before.threads,
             "threads: " << before.threads << " before, " << after.threads << " after");
  BOOST_TEST(after.descriptors.size() == before.descriptors.size(),
             "descriptors leaked:" << describe(difference(after.descriptors, before.descriptors))
                                   << "; closed that were not theirs:"
                                   << describe(difference(before.descriptors, after.descriptors)));
}

} // namespace coproc::test
