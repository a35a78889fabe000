#pragma once

#include <coproc/command.hpp>

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace coproc {

/// Programs whose stdout feeds the next one's stdin: `command("sort") | command("uniq", "-c")`.
///
/// The first stage's in and the last stage's out and every stage's err are as the command says, with run()'s
/// defaults. Each stage leads a process group of its own, but for a first one whose stdin is inherited (see
/// command::process_group); a timeout or cancellation stops them all. A stage that ends early ends its
/// producers with SIGPIPE, as in a shell; the status of such a producer counts (`pipefail`), so look at
/// completed::statuses when that is expected.
///
/// @throws std::invalid_argument, at `|`, if an inner stream is already set to something else.
class pipeline {
public:
  pipeline(command first, command second);

  /// Adds a stage at the end.
  friend pipeline operator|(command first, command second);
  friend pipeline operator|(pipeline stages, command next);

  /// The working directory of every stage that sets none of its own.
  pipeline& cwd(std::filesystem::path directory) &;
  pipeline&& cwd(std::filesystem::path directory) && { return std::move(cwd(std::move(directory))); }
  /// Sets one variable for every stage. What a stage itself says about that variable wins.
  pipeline& env(std::string key, std::string value) &;
  pipeline&& env(std::string key, std::string value) && {
    return std::move(env(std::move(key), std::move(value)));
  }
  /// Removes one variable from every stage that does not set it.
  pipeline& unset_env(std::string key) &;
  pipeline&& unset_env(std::string key) && { return std::move(unset_env(std::move(key))); }

  /// For all of it, counted from the start; a stage's own timeout stops all, too.
  pipeline& timeout(duration) &;
  pipeline&& timeout(duration d) && { return std::move(timeout(d)); }
  /// run() throws called_process_error unless every stage succeeds.
  pipeline& check() &;
  pipeline&& check() && { return std::move(check()); }

  /// @returns the stages, in order, as they were given.
  const std::vector<command>& stages() const { return stages_; }
  /// @returns the stages as command::to_string(), with ` | ` between them.
  std::string to_string() const;

private:
  void append(command next);
  friend struct detail::access;

  std::vector<command> stages_;
  std::filesystem::path cwd_;                                           // empty: the host's
  std::vector<std::pair<std::string, std::optional<std::string>>> env_; // in order; no value: unset
  std::optional<duration> timeout_;
  bool check_ = false;
};

pipeline operator|(command first, command second);
pipeline operator|(pipeline stages, command next);

} // namespace coproc
