#include "raw_ring.hpp"

#include "contest.hpp"

#include <cstring>
#include <new>

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace bench::raw {

ring::ring(std::size_t slots, std::size_t size)
    : slots_(slots), size_(size), bytes_(sizeof(shared) + slots * size) {
  void* memory =
      ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED) fail("mmap");
  shared_ = new (memory) shared;
  items_ = static_cast<unsigned char*>(memory) + sizeof(shared);
}

ring::~ring() { ::munmap(shared_, bytes_); }

void ring::wait(std::atomic<std::uint32_t>& word, std::uint32_t old, std::atomic<std::uint32_t>& sleeps) {
  // Looks now and then, since each look takes the line of the cache away from the other side.
  for (int i = 0; i != 256; ++i) {
#if defined(__x86_64__)
    for (int pause = 0; pause != 8; ++pause) __builtin_ia32_pause();
#endif
    if (word.load(std::memory_order_acquire) != old) return;
  }
  sleeps.store(1, std::memory_order_seq_cst);
  if (word.load(std::memory_order_seq_cst) != old) return;
  // On what the other side clears: it may see the 1 of a sleep before this one, and wake too early.
  ::syscall(SYS_futex, &sleeps, FUTEX_WAIT, 1, nullptr, nullptr, 0);
}

void ring::wake(std::atomic<std::uint32_t>& sleeps) {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (sleeps.load(std::memory_order_relaxed) == 0) return;
  sleeps.store(0, std::memory_order_relaxed);
  ::syscall(SYS_futex, &sleeps, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

void ring::put(const void* item) {
  while (mine_ - other_ == slots_) {
    other_ = shared_->got.load(std::memory_order_acquire);
    if (mine_ - other_ == slots_) wait(shared_->got, other_, shared_->putter_sleeps);
  }
  std::memcpy(items_ + mine_ % slots_ * size_, item, size_);
  shared_->put.store(++mine_, std::memory_order_release);
  wake(shared_->getter_sleeps);
}

void ring::get(void* item) {
  while (other_ == mine_) {
    other_ = shared_->put.load(std::memory_order_acquire);
    if (other_ == mine_) wait(shared_->put, other_, shared_->getter_sleeps);
  }
  std::memcpy(item, items_ + mine_ % slots_ * size_, size_);
  shared_->got.store(++mine_, std::memory_order_release);
  wake(shared_->putter_sleeps);
}

} // namespace bench::raw
