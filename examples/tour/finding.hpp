#pragma once

#include <string>
#include <vector>

namespace tour {

/// A thing that the tour found out, and how the shell finds it out.
struct finding {
  std::string title;
  std::string summary;              ///< For people.
  std::vector<std::string> details; ///< For people, a line each.
  std::string expected;             ///< What the shell line has to print if it agrees, to the byte.
  std::string shell;                ///< A shell line: `$1` is the directory, `$2` the parameter.
  std::string parameter = {};
};

} // namespace tour
