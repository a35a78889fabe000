#include "shell.hpp"

#include "tool.hpp"

#include <coproc/run.hpp>

#include <utility>

namespace tour {

asio::awaitable<verdict> ask_shell(const finding& found, std::string directory) {
  // The names are arguments of the shell, and never become a part of the line.
  coproc::command sh = tool("sh", "-c", found.shell, "sh", directory, found.parameter);
  coproc::completed done = co_await coproc::run(std::move(sh));
  verdict result;
  result.agrees = done.out == found.expected;
  result.printed = std::move(done.out);
  result.complaint = std::move(done.err);
  result.elapsed = done.elapsed;
  co_return result;
}

} // namespace tour
