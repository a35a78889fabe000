#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace bench::raw {

/// One producer, one consumer, slots of one size, in memory that both processes share; a futex for whom has
/// to wait. What it leaves out: more than one of either, items of other sizes, growth, closing, timeouts,
/// event loops, and that somebody may die.
class ring {
public:
  ring(std::size_t slots, std::size_t size);
  ~ring();
  ring(const ring&) = delete;
  ring& operator=(const ring&) = delete;

  void put(const void* item);
  void get(void* item);

private:
  struct shared {
    alignas(64) std::atomic<std::uint32_t> put{0};
    alignas(64) std::atomic<std::uint32_t> got{0};
    alignas(64) std::atomic<std::uint32_t> getter_sleeps{0};
    alignas(64) std::atomic<std::uint32_t> putter_sleeps{0};
  };

  static void wait(std::atomic<std::uint32_t>& word, std::uint32_t old, std::atomic<std::uint32_t>& sleeps);
  static void wake(std::atomic<std::uint32_t>& sleeps);

  std::size_t slots_, size_, bytes_;
  shared* shared_;
  unsigned char* items_;
  std::uint32_t mine_ = 0, other_ = 0; // of this process
};

} // namespace bench::raw
