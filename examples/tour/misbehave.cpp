#include "misbehave.hpp"

#include "text.hpp"
#include "tool.hpp"

#include <coproc/run.hpp>
#include <coproc/timeout_expired.hpp>

#include <chrono>
#include <string>
#include <system_error>

using namespace std::chrono_literals;

namespace tour {

namespace {

// tail -f waits for the file to grow, for ever.
asio::awaitable<finding> endless(std::string path) {
  finding result{"endless", "", {}, "124\n", "timeout 0.5 tail -n 1 -f -- \"$2\" > /dev/null; echo $?", path};
  try {
    co_await coproc::run(tool("tail", "-n", "1", "-f", "--", path).timeout(500ms));
    result.summary = "tail -f ended by itself";
    result.expected = "no timeout";
  } catch (const coproc::timeout_expired& expired) {
    result.summary = "tail -f " + expired.status.to_string() + " after " + seconds(expired.timeout) + ", " +
                     counted(expired.out.size(), "byte") + " kept";
  }
  co_return result;
}

asio::awaitable<finding> missing() {
  const std::string name = "no-such-program";
  finding result{"missing", "", {}, "127\n", "\"$2\" 2> /dev/null; echo $?", name};
  try {
    coproc::completed done = co_await coproc::run(tool(name));
    result.summary = name + ' ' + done.status.to_string();
    result.expected = std::to_string(done.status.returncode()) + '\n';
  } catch (const std::system_error& error) {
    result.summary = error.what();
    if (error.code() != std::errc::no_such_file_or_directory) result.expected = error.code().message();
  }
  co_return result;
}

} // namespace

asio::awaitable<std::vector<finding>> misbehave(const std::vector<file>& files) {
  std::vector<finding> findings;
  if (!files.empty()) findings.push_back(co_await endless(files.front().path));
  findings.push_back(co_await missing());
  co_return findings;
}

} // namespace tour
