#include "support/fork_servers.hpp"

#include "support/process_info.hpp"

#include <filesystem>
#include <fstream>
#include <string>

#include <signal.h>

namespace coproc::test {

std::vector<int> servers() {
  std::vector<int> result;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream children(task.path() / "children");
    for (int child; children >> child;) {
      std::ifstream file("/proc/" + std::to_string(child) + "/comm");
      std::string name;
      std::getline(file, name);
      if (name == "coproc-forks" && alive(child)) result.push_back(child);
    }
  }
  return result;
}

stopped_server::stopped_server() : pid_(servers().at(0)) { ::kill(pid_, SIGSTOP); }

stopped_server::~stopped_server() { go_on(); }

void stopped_server::go_on() { ::kill(pid_, SIGCONT); }

void stopped_server::kill() { ::kill(pid_, SIGKILL); }

} // namespace coproc::test
