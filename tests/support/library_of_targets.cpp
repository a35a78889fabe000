// A library with a target of its own: a program is linked with it, or loads it with dlopen(3).
#include "library_of_targets.hpp"

namespace {

int twice(int n) { return 2 * n; }

} // namespace

std::unique_ptr<coproc::process<int>> process_in_library(coproc::start_method method, int n) {
  return std::make_unique<coproc::process<int>>(coproc::process_options().method(method),
                                                coproc::target<twice>, n);
}
