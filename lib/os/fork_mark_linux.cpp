#include "os/fork_mark.hpp"

#include "os/error.hpp"

#include <cerrno>

#include <sys/mman.h>

namespace coproc::os {

namespace {

constexpr std::size_t size = 1; // of a page, whatever that has

} // namespace

fork_mark::fork_mark() {
  void* page = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) throw_errno(errno, "fork mark: cannot map its page");
  (void)::madvise(page, size, MADV_WIPEONFORK);
  mark_ = static_cast<unsigned char*>(page);
  *mark_ = 1;
}

fork_mark::~fork_mark() { ::munmap(const_cast<unsigned char*>(mark_), size); }

} // namespace coproc::os
