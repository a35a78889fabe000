#pragma once

#include <coproc/command.hpp>

#include <string>
#include <utility>

namespace coproc::test {

/// @returns the path of the helper program, which the build makes.
std::string helper_path();

/// @returns the path of the program in host.cpp, which uses the library itself.
std::string host_path();

/// @returns the path of the program in function_host.cpp, whose functions run in child processes.
std::string function_host_path();

/// @returns a command that performs @p actions one after another: `helper("out=hello", "eof", "exit=3")`. The
/// actions are listed in helper.cpp. A helper that outlives its test ends by itself after a minute.
template <class... Actions>
command helper(Actions&&... actions) {
  return command(helper_path(), std::forward<Actions>(actions)...);
}

} // namespace coproc::test
