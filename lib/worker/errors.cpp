#include <coproc/process_died.hpp>
#include <coproc/remote_error.hpp>

namespace coproc {

namespace {

std::string tell(const std::vector<remote_error::exception>& chain, const std::string& function, int pid) {
  std::string text = function + " (process " + std::to_string(pid) + ") threw ";
  bool first = true;
  for (const remote_error::exception& one : chain) {
    if (!first) text += ", caused by ";
    first = false;
    text += one.type.empty() ? "an exception of unknown type" : one.type;
    if (!one.message.empty()) text += ": " + one.message;
  }
  return text;
}

} // namespace

process_died::process_died(const std::string& name, exit_status end)
    : error("process '" + name + "' " + end.to_string() + " without a result"), status(end) {}

remote_error::remote_error(std::vector<exception> chain, std::string function, int pid)
    : error(tell(chain, function, pid)),
      parts_(std::make_shared<parts>(parts{std::move(chain), std::move(function), pid})) {}

} // namespace coproc
