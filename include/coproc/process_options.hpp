#pragma once

#include <coproc/start_method.hpp>
#include <coproc/stdio.hpp>

#include <optional>
#include <string>
#include <utility>

namespace coproc {

namespace detail {
struct process_access;
}

/// How a process for a function is to be started. Each option has an & and an && overload, so that one can
/// write `process_options().name("worker").method(start_method::spawn)`.
class process_options {
public:
  process_options() = default;

  /// Its name, for messages, this_process::name() and the process list; by default `Process-N`, N counting
  /// process objects from 1. @throws std::invalid_argument if it is empty or has a NUL in it.
  process_options& name(std::string name) &;
  process_options&& name(std::string value) && { return std::move(name(std::move(value))); }

  /// By default forkserver where it is supported, and else spawn.
  process_options& method(start_method method) &;
  process_options&& method(start_method value) && { return std::move(method(value)); }

  /// Its standard streams. By default stdin is /dev/null, and stdout and stderr are the host's. With
  /// stdio::pipe() the host's end is process::in(), out() or err(); stdio::bytes() is fed to it.
  /// @throws std::invalid_argument, at once, for bytes() as an output, append() as stdin, and merge() as
  /// anything but stderr.
  process_options& in(stdio stream) &;
  process_options& out(stdio stream) &;
  process_options& err(stdio stream) &;
  process_options&& in(stdio stream) && { return std::move(in(std::move(stream))); }
  process_options&& out(stdio stream) && { return std::move(out(std::move(stream))); }
  process_options&& err(stdio stream) && { return std::move(err(std::move(stream))); }

private:
  friend struct detail::process_access;

  std::string name_;
  std::optional<start_method> method_;
  std::optional<stdio> in_, out_, err_;
};

} // namespace coproc
