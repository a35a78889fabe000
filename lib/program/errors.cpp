#include <coproc/called_process_error.hpp>
#include <coproc/output_limit.hpp>
#include <coproc/timeout_expired.hpp>

#include <algorithm>
#include <cstdio>

namespace coproc {

namespace {

/// The end of stderr, where programs say what went wrong, as a part of a message.
std::string tail(const std::string& err) {
  constexpr std::size_t most = 1000;
  std::size_t end = err.find_last_not_of(" \t\r\n");
  if (end == std::string::npos) return {};
  ++end;
  std::size_t begin = 0;
  if (end > most) {
    begin = end - most;
    // At the start of a line, if one starts there.
    if (std::size_t line = err.find('\n', begin); line < end) begin = line + 1;
  }
  std::string result = (begin == 0 ? "; stderr: " : "; stderr ends: ") + err.substr(begin, end - begin);
  std::replace(result.begin(), result.end(), '\0', '?'); // what() would end there
  return result;
}

/// A command line as a part of a message: with all of its thousand file names nobody would read it.
std::string in_quotes(const std::string& command) {
  constexpr std::size_t most = 200;
  std::string result(1, '\'');
  result.append(command, 0, most);
  if (command.size() > most) result += "...";
  return result += '\'';
}

std::string seconds(duration d) {
  char text[32];
  std::snprintf(text, sizeof text, "%g s", std::chrono::duration<double>(d).count());
  return text;
}

} // namespace

called_process_error::called_process_error(std::string command_line, exit_status how, std::string output,
                                           std::string errors)
    : error(in_quotes(command_line) + " " + how.to_string() + tail(errors)), command(std::move(command_line)),
      status(how), out(std::move(output)), err(std::move(errors)) {}

timeout_expired::timeout_expired(std::string command_line, duration limit, exit_status how,
                                 std::string output, std::string errors)
    : error(in_quotes(command_line) + " was stopped after its timeout of " + seconds(limit) + tail(errors)),
      command(std::move(command_line)), timeout(limit), status(how), out(std::move(output)),
      err(std::move(errors)) {}

timeout_expired::timeout_expired(const std::string& what, duration limit, exit_status how)
    : error(what + " after its timeout of " + seconds(limit)), timeout(limit), status(how) {}

output_limit::output_limit(std::string command_line, std::size_t most, exit_status how, std::string output,
                           std::string errors)
    : error(in_quotes(command_line) + " was stopped: it wrote more than " + std::to_string(most) + " bytes" +
            tail(errors)),
      command(std::move(command_line)), limit(most), status(how), out(std::move(output)),
      err(std::move(errors)) {}

} // namespace coproc
