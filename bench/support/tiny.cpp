// The smallest program: it exits, and has no libc to load. What is left of a start is the cost of starting.

#if defined(__x86_64__) || defined(__aarch64__)

extern "C" [[noreturn]] void _start() {
#if defined(__x86_64__)
  asm volatile("syscall" : : "a"(60), "D"(0) : "rcx", "r11", "memory");
#else
  register long number asm("x8") = 93;
  register long status asm("x0") = 0;
  asm volatile("svc 0" : : "r"(number), "r"(status) : "memory");
#endif
  __builtin_unreachable();
}

#else

int main() { return 0; }

#endif
