#include "host.hpp"

#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace bench {

host_guard::host_guard(const contestant& who, const host& where) : who_(who) {
  if (where.one_cpu) placement_.emplace();
  if (who_.prepare) {
    who_.prepare(where);
    return;
  }
  if (where.resident_mib > 0) {
    size_ = static_cast<std::size_t>(where.resident_mib) << 20;
    ballast_ = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ballast_ == MAP_FAILED) fail("mmap");
    // A long-lived heap is made of small pages, and it is their number that makes a fork dear.
    ::madvise(ballast_, size_, MADV_NOHUGEPAGE);
    std::memset(ballast_, 1, size_);
  }
  for (std::int64_t n = 0; n < where.descriptors; ++n) {
    const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0) fail("open /dev/null");
    descriptors_.push_back(fd);
  }
}

host_guard::~host_guard() {
  if (who_.prepare) {
    try {
      who_.prepare(host{});
    } catch (...) { // a peer that is gone has no host to restore
    }
  }
  if (ballast_ != nullptr) ::munmap(ballast_, size_);
  for (int fd : descriptors_) ::close(fd);
}

} // namespace bench
