#pragma once

#include "pool/policy.hpp"

#include <coproc/exit_status.hpp>

#include <exception>
#include <string>
#include <utility>

namespace coproc::detail {

/// The exceptions of tasks that ended without a result: what is known of the latest misfortunes.
class outcome_errors {
public:
  void worker_ended(int pid, exit_status how) {
    last_pid_ = pid;
    last_end_ = how;
  }
  void start_failed(std::exception_ptr why) { start_error_ = std::move(why); }
  void initializer_failed(std::string why) { initializer_error_ = std::move(why); }

  /// @param name of the task's target. @param limit the task_timeout.
  std::exception_ptr of(pool_policy::outcome how, const std::string& name, pool_policy::duration limit) const;

private:
  exit_status last_end_;
  int last_pid_ = -1;
  std::exception_ptr start_error_;
  std::string initializer_error_;
};

} // namespace coproc::detail
