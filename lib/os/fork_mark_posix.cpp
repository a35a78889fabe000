#include "os/fork_mark.hpp"

#include <atomic>

#include <pthread.h>

namespace coproc::os {

namespace {

std::atomic<unsigned> generation{0};

[[maybe_unused]] const int counts_forks = ::pthread_atfork(nullptr, nullptr, [] { ++generation; });

} // namespace

unsigned fork_mark::current_generation() noexcept { return generation; }

} // namespace coproc::os
