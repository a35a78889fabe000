#include "os/reaper.hpp"

#include "os/never_destroyed.hpp"
#include "os/reap.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <vector>

namespace coproc::os {

namespace {

struct orphanage {
  std::mutex mutex;
  std::atomic<std::size_t> count{0};
  std::vector<launched> children;
  std::size_t next = 0; // where the next look begins
};

orphanage& orphans() noexcept {
  static never_destroyed<orphanage> all;
  return *all;
}

constexpr std::size_t most_looks = 64; // so that thousands of detached daemons don't make every start slow

} // namespace

void reap_later(launched child) noexcept {
  orphanage& all = orphans();
  std::lock_guard lock(all.mutex);
  try {
    all.children.push_back(std::move(child));
    all.count.store(all.children.size(), std::memory_order_relaxed);
  } catch (const std::bad_alloc&) {
    // It stays a zombie until the host ends; there is no memory to remember it by.
  }
}

void reap_orphans() noexcept {
  orphanage& all = orphans();
  if (all.count.load(std::memory_order_relaxed) == 0) return;
  std::lock_guard lock(all.mutex);
  for (std::size_t looks = std::min(all.children.size(), most_looks); looks != 0; --looks) {
    if (all.next >= all.children.size()) all.next = 0;
    launched& child = all.children[all.next];
    if (!try_reap(child.pid, child.pidfd.get())) {
      ++all.next;
      continue;
    }
    if (&child != &all.children.back()) child = std::move(all.children.back());
    all.children.pop_back();
  }
  all.count.store(all.children.size(), std::memory_order_relaxed);
}

} // namespace coproc::os
