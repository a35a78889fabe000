#include "placement.hpp"

#include "contest.hpp"

#include <filesystem>
#include <fstream>
#include <sched.h>
#include <string>
#include <unistd.h>

namespace bench {

namespace {

const cpu_set_t& all_cpus() {
  static const cpu_set_t all = [] {
    cpu_set_t found;
    if (::sched_getaffinity(0, sizeof found, &found) != 0) fail("sched_getaffinity");
    return found;
  }();
  return all;
}

/// Every thread of the process and, since /proc knows which thread a child is of, of its descendants.
void place(const std::string& process, const cpu_set_t& where) {
  std::error_code gone; // a process that ends meanwhile
  for (const auto& thread : std::filesystem::directory_iterator("/proc/" + process + "/task", gone)) {
    ::sched_setaffinity(std::stoi(thread.path().filename()), sizeof where, &where);
    std::ifstream children(thread.path() / "children");
    for (std::string child; children >> child;) place(child, where);
  }
}

} // namespace

one_cpu::one_cpu() {
  cpu_set_t first;
  CPU_ZERO(&first);
  int cpu = 0;
  while (!CPU_ISSET(cpu, &all_cpus())) ++cpu;
  CPU_SET(cpu, &first);
  place(std::to_string(::getpid()), first);
}

one_cpu::~one_cpu() { place(std::to_string(::getpid()), all_cpus()); }

} // namespace bench
