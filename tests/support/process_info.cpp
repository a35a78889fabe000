#include "support/process_info.hpp"

#include "support/co_test.hpp"

#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <cerrno>
#include <chrono>
#include <fstream>
#include <system_error>

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace coproc::test {

char process_state_of(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  const auto name_end = text.rfind(')'); // the name may contain anything
  return name_end == text.npos || name_end + 2 >= text.size() ? '-' : text[name_end + 2];
}

bool alive(int pid) {
  const char state = process_state_of(pid);
  return state != '-' && state != 'Z' && state != 'X';
}

killed_at_end::~killed_at_end() {
  if (alive(pid_)) ::kill(pid_, SIGKILL);
}

asio::awaitable<void> end_of(int pid) {
  auto executor = co_await asio::this_coro::executor;
  const int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (fd < 0 && errno == ESRCH) co_return;
  if (fd < 0) throw std::system_error(errno, std::system_category(), "pidfd_open");
  asio::posix::stream_descriptor pidfd(executor, fd);
  co_await pidfd.async_wait(asio::posix::descriptor_base::wait_read, asio::use_awaitable);
}

asio::awaitable<void> until_state(int pid, char state) {
  auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor);
  const auto end = std::chrono::steady_clock::now() + deadline();
  while (process_state_of(pid) != state) {
    if (std::chrono::steady_clock::now() > end)
      throw std::runtime_error("the process does not reach that state");
    timer.expires_after(std::chrono::milliseconds(1));
    co_await timer.async_wait(asio::use_awaitable);
  }
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> pieces;
  for (std::size_t at = 0; at < text.size();) {
    auto end = text.find(separator, at);
    if (end == text.npos) end = text.size();
    pieces.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return pieces;
}

std::vector<long long> numbers(const std::string& text) {
  std::vector<long long> result;
  for (const std::string& line : split(text, '\n')) result.push_back(std::stoll(line));
  return result;
}

} // namespace coproc::test
