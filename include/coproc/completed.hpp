#pragma once

#include <coproc/duration.hpp>
#include <coproc/exit_status.hpp>
#include <coproc/resource_usage.hpp>

#include <string>
#include <vector>

namespace coproc {

/// A program, or a pipeline, that has run to its end: what run() and communicate() give.
struct completed {
  /// Of a pipeline: that of the last stage that did not succeed, else of the last one (the shell's
  /// `pipefail`).
  exit_status status;
  std::string out; ///< All of stdout, if it was captured; of a pipeline, the last stage's.
  std::string err; ///< All of stderr, if it was captured; of a pipeline, all stages', stage after stage.
  std::vector<exit_status> statuses; ///< One a stage; of a single program, just `status`.
  resource_usage usage;              ///< Of a pipeline: times and counts added up, the largest resident set.
  duration elapsed{};                ///< From the start until it was reaped.
};

} // namespace coproc
