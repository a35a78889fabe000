#pragma once

#include <coproc/command.hpp>

#include <string>
#include <utility>

namespace tour {

/// A program of the system, whose messages and order of sorting are those of the C locale, whatever the
/// user's.
template <coproc::program_argument... Args>
coproc::command tool(std::string program, Args&&... args) {
  return coproc::command(std::move(program), std::forward<Args>(args)...).env("LC_ALL", "C");
}

} // namespace tour
