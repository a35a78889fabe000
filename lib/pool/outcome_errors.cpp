#include "pool/outcome_errors.hpp"

#include "loop/suspension.hpp"

#include <coproc/timeout_expired.hpp>
#include <coproc/worker_died.hpp>

namespace coproc::detail {

std::exception_ptr outcome_errors::of(pool_policy::outcome how, const std::string& name,
                                      pool_policy::duration limit) const {
  const std::string task = "pool: '" + name + "'";
  auto worker = [&] { return "worker process " + std::to_string(last_pid_) + " " + last_end_.to_string(); };
  switch (how) {
  case pool_policy::outcome::timed_out:
    return std::make_exception_ptr(timeout_expired(task + " was killed", limit, last_end_));
  case pool_policy::outcome::died:
    return std::make_exception_ptr(worker_died(task + ": its " + worker(), last_end_));
  case pool_policy::outcome::gave_up:
    if (!initializer_error_.empty())
      return std::make_exception_ptr(worker_died(
          task + " was not started: the pool gave up, since its initializer fails in each worker: " +
              initializer_error_,
          last_end_));
    return std::make_exception_ptr(
        worker_died(task +
                        ": the pool gave up, since workers die one after another and none completes a task; "
                        "the last " +
                        worker(),
                    last_end_));
  case pool_policy::outcome::start_failed:
    return start_error_;
  case pool_policy::outcome::cancelled:
  case pool_policy::outcome::terminated:
    break; // no misfortune
  }
  return aborted();
}

} // namespace coproc::detail
