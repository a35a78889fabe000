#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

/// What every benchmark shares: one piece of work that each contestant does in its own way.
namespace bench {

using std::chrono::nanoseconds;

/// A piece of work. What `count` and `width` mean is said by the question, at the top of its file.
struct workload {
  std::string question; ///< "start", "pipe", ...
  std::string program;  ///< What is started, as an absolute path.
  std::int64_t count = 1;
  std::int64_t width = 1;
};

/// What a contestant measured by its own clock, from the first start to the last result.
struct outcome {
  nanoseconds elapsed{}; ///< For all of `count`.
  nanoseconds tail{};    ///< The 99th percentile, where the question has one.
};

/// The process that starts the programs, as a contestant finds it.
struct host {
  std::int64_t resident_mib = 0; ///< Touched on top of what it has anyway.
  std::int64_t descriptors = 0;  ///< Open on top of what it has anyway.
  bool one_cpu = false;          ///< With all other processes of the contest on a single CPU.
};

struct contestant {
  std::string name;
  /// Empty: it can't be had here, and is left out.
  std::function<outcome(const workload&)> run;
  /// Makes a host like this; `host{}` undoes it. Empty: the contestant runs in this process.
  std::function<void(const host&)> prepare;
  /// Does this part of a workload's count. For those so slow that a full one would only cost time.
  std::int64_t divisor = 1;
};

/// What the command line says.
struct settings {
  bool smoke = false;   ///< One iteration of the smallest size: does it run at all?
  bool big_host = true; ///< Include hosts with 2 GB resident.
};

/// How a question's results are to be shown.
enum class unit { time_per_item, bytes_per_second, items_per_second };

/// Registers one workload for each contestant, interleaved with all others of the program.
/// @param title the question's name and parameters: "start/child:true/in_flight:8".
/// @param bytes of one item, for unit::bytes_per_second.
void compete(const std::string& title, const std::vector<contestant>& contestants, const workload& work,
             const host& where, unit shown, std::int64_t bytes = 0);

/// Each benchmark program defines this one: registers its question.
void ask(const settings& how);

/// To be called for an exception out of a contestant: Google Benchmark shows it, but exits with 0.
/// @param own a contestant in this process, whose failure fails the program; a peer's is only shown.
void note_failure(bool own) noexcept;
/// @returns whether one of this process's own contestants failed.
bool any_failed() noexcept;

/// Throws std::system_error for errno.
[[noreturn]] void fail(const char* operation);

} // namespace bench
