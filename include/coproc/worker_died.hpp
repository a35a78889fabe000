#pragma once

#include <coproc/error.hpp>
#include <coproc/exit_status.hpp>

#include <string>

namespace coproc {

/// The worker of a pool that ran this task died: it called exit(), was killed by a signal, ran out of memory.
/// The task has had its effects up to that point; other tasks are not touched.
///
/// Also when workers die one after another before they come to run anything, or their initializer fails, or
/// very many die with not one task completed, and the pool gives up: what() says so then.
class worker_died : public error {
public:
  /// @param what says which task, and what happened. @param end how the worker ended.
  worker_died(const std::string& what, exit_status end);

  exit_status status; ///< How the worker ended.
};

} // namespace coproc
