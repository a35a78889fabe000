#pragma once

#include "os/boost_process_v2.hpp"
#include "os/launch.hpp"

#include <boost/process/v2/process.hpp>

#include <string>
#include <utility>

namespace coproc::os {

/// os::launch() behind the launcher interface of Boost.Process v2: makes a `process_v2::process`, which is
/// then v2's in all it does. v2's initializers are not taken, since they run code between fork and exec that
/// is not safe in shared memory; the plan says it all.
///
/// v2's own launcher is not used: in a program with threads its notify_fork throws in the child, which then
/// runs on as a second host (boostorg/process #430, chriskohlhoff/asio #1503), it leaves a zombie after a
/// failed exec, flushes the host's stdio a second time, and leaks descriptors to siblings.
///
/// Nor does the library use v2's process handle for its own children: async_wait() makes a blocking waitpid
/// once the pidfd is readable, which is not yet reapable under a tracer (boostorg/process #564, #567), and
/// knows no resource usage; the destructor of basic_process kills and waits, blocking; signals go by pid,
/// which may have been given away; and the descriptor is closed without being taken out of epoll (see
/// fd_watch::leave()).
struct clone_launcher {
  launch_plan plan;

  template <class Executor, class Args>
  process_v2::basic_process<Executor> operator()(Executor executor, process_v2::error_code& error,
                                                 const process_v2::filesystem::path& executable,
                                                 const Args& args) {
    std::string program = executable.string();
    plan.program = program;
    plan.candidates = {program};
    plan.argv = {program.c_str()};
    for (const std::string& argument : args) plan.argv.push_back(argument.c_str());
    plan.argv.push_back(nullptr);
    for (int stream = 0; plan.redirects.empty() && stream != 3; ++stream)
      plan.redirects.push_back({stream, stream});
    try {
      launched process = launch(plan);
      return process_v2::basic_process<Executor>(executor, process.pid, process.pidfd.release());
    } catch (const std::system_error& failure) {
      error.assign(failure.code().value(), process_v2::system_category());
      return process_v2::basic_process<Executor>(executor);
    }
  }

  template <class Executor, class Args>
  process_v2::basic_process<Executor>
  operator()(Executor executor, const process_v2::filesystem::path& executable, const Args& args) {
    process_v2::error_code error;
    auto process = (*this)(std::move(executor), error, executable, args);
    if (error) throw process_v2::system_error(error, "clone_launcher");
    return process;
  }
};

} // namespace coproc::os
