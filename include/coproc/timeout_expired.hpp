#pragma once

#include <coproc/duration.hpp>
#include <coproc/error.hpp>
#include <coproc/exit_status.hpp>

#include <string>

namespace coproc {

/// A program ran longer than its command::timeout(); it has been stopped and reaped.
/// what() names the command and the time, and ends with the tail of stderr.
///
/// Also: a task of a pool ran longer than pool_options::task_timeout(), and its worker has been killed; or it
/// was not finished after the time that async_result::get(duration) was given, and goes on. `command`, `out`
/// and `err` are empty then.
class timeout_expired : public error {
public:
  timeout_expired(std::string command, duration timeout, exit_status status, std::string out,
                  std::string err);
  /// Of something else than a program: a task of a pool, or waiting for one.
  timeout_expired(const std::string& what, duration timeout, exit_status status = exit_status());

  std::string command; ///< As command::to_string().
  duration timeout;    ///< The limit that was exceeded.
  exit_status status;  ///< What the stop led to.
  std::string out;     ///< What was captured of stdout until the end.
  std::string err;     ///< What was captured of stderr until the end.
};

} // namespace coproc
