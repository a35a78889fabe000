#pragma once

namespace coproc::os {

/// Tells the processor that it waits in a loop, @p rounds times.
inline void pause(unsigned rounds) noexcept {
  for (unsigned i = 0; i != rounds; ++i) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
    asm volatile("yield");
#else
    asm volatile("");
#endif
  }
}

} // namespace coproc::os
