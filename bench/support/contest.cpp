#include "contest.hpp"

#include "host.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <system_error>

namespace bench {

namespace {

bool failed = false;

void run_one(benchmark::State& state, const contestant& who, const workload& work, const host& where,
             unit shown, std::int64_t bytes) {
  try {
    const host_guard guard(who, where);
    workload part = work;
    part.count = std::max<std::int64_t>(1, work.count / who.divisor);

    workload warm_up = part;
    warm_up.count = std::clamp<std::int64_t>(part.count / 16, 1, std::max<std::int64_t>(1, work.width));
    who.run(warm_up);

    nanoseconds tail{};
    while (state.KeepRunningBatch(part.count)) {
      const auto result = who.run(part);
      tail = std::max(tail, result.tail);
      state.SetIterationTime(std::chrono::duration<double>(result.elapsed).count());
    }
    if (tail.count() != 0) state.counters["p99_us"] = std::chrono::duration<double, std::micro>(tail).count();
    if (shown == unit::bytes_per_second) state.SetBytesProcessed(state.iterations() * bytes);
    if (shown == unit::items_per_second) state.SetItemsProcessed(state.iterations());
  } catch (const std::exception& error) {
    note_failure(!who.prepare);
    state.SkipWithError(error.what());
  }
}

} // namespace

void compete(const std::string& title, const std::vector<contestant>& contestants, const workload& work,
             const host& where, unit shown, std::int64_t bytes) {
  for (const auto& who : contestants) {
    if (!who.run) continue;
    auto* registered =
        benchmark::RegisterBenchmark((title + "/" + who.name).c_str(), [=](benchmark::State& state) {
          run_one(state, who, work, where, shown, bytes);
        });
    // To touch 2 GB takes longer than all that is measured then.
    if (where.resident_mib != 0) registered->Repetitions(9);
    registered->UseManualTime()->Unit(shown == unit::time_per_item ? benchmark::kMicrosecond
                                                                   : benchmark::kNanosecond);
  }
}

void note_failure(bool own) noexcept { failed = failed || own; }

bool any_failed() noexcept { return failed; }

void fail(const char* operation) { throw std::system_error(errno, std::generic_category(), operation); }

} // namespace bench
