#pragma once

#include <map>
#include <string>
#include <vector>

namespace coproc::test {

/// What the tests of connections send, if it is to be a struct.
struct question {
  int id = 0;
  std::string text;
  std::map<std::string, std::vector<double>> data;
  bool operator==(const question&) const = default;
};

} // namespace coproc::test
