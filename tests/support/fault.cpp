// Takes the place of lib/os/fault_none.cpp in the tests.
#include "support/fault.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace coproc {

namespace {

struct injection {
  std::atomic<int> error{0};
  std::atomic<std::size_t> skip{0};
  std::atomic<std::size_t> left{0};
  std::atomic<std::size_t> hits{0};
  std::atomic<std::size_t> calls{0};
  std::atomic<std::size_t> limit{test::fault::always};
};

injection& injected(os::call which) {
  static std::array<injection, 32> all;
  return all.at(static_cast<std::size_t>(which));
}

/// A fault for a process that a test can't reach: the fork server. "fork 11 2": two forks fail with EAGAIN;
/// fchdir is the other that there is.
const bool inherited = [] {
  const char* text = std::getenv("COPROC_TEST_FAULT");
  char which[8];
  int error = 0;
  unsigned times = 0;
  if (!text || std::sscanf(text, "%7s %d %u", which, &error, &times) != 3) return false;
  injection& it = injected(which == std::string_view("fork") ? os::call::fork : os::call::fchdir);
  it.left = times;
  it.error = error;
  return true;
}();

/// @returns whether there was something to take.
bool take_one(std::atomic<std::size_t>& counter) {
  std::size_t now = counter.load();
  while (now != 0)
    if (counter.compare_exchange_weak(now, now - 1)) return true;
  return false;
}

} // namespace

namespace os {

int injected_error(call which) noexcept {
  injection& it = injected(which);
  ++it.calls;
  const int error = it.error.load();
  if (error == 0 || take_one(it.skip) || !take_one(it.left)) return 0;
  ++it.hits;
  return error;
}

std::size_t injected_limit(call which, std::size_t size) noexcept {
  return std::min(size, injected(which).limit.load());
}

} // namespace os

namespace test {

fault::fault(os::call which, int error, std::size_t times, std::size_t skip) : which_(which) {
  injection& it = injected(which);
  it.skip = skip;
  it.left = times;
  it.hits = 0;
  it.error = error;
}

fault::~fault() { injected(which_).error = 0; }

std::size_t fault::hits() const { return injected(which_).hits; }

std::size_t counted_calls::so_far(os::call which) { return injected(which).calls; }

short_transfers::short_transfers(os::call which, std::size_t size) : which_(which) {
  injected(which).limit = size;
}

short_transfers::~short_transfers() { injected(which_).limit = fault::always; }

} // namespace test

} // namespace coproc
