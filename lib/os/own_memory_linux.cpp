#include "os/own_memory.hpp"

#include "os/fd.hpp"

#include <cstdlib>

#include <fcntl.h>
#include <unistd.h>

namespace coproc::os {

std::size_t resident_bytes() noexcept {
  const unique_fd file(::open("/proc/self/statm", O_RDONLY | O_CLOEXEC));
  if (!file) return 0;
  char text[128];
  const ssize_t got = ::read(file.get(), text, sizeof text - 1);
  if (got <= 0) return 0;
  text[got] = '\0';
  // "total resident shared ...", in pages
  char* end = text;
  std::strtoull(text, &end, 10);
  return static_cast<std::size_t>(std::strtoull(end, nullptr, 10)) *
         static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

} // namespace coproc::os
