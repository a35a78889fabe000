#include "os/growing_memory.hpp"

#include "os/error.hpp"
#include "os/fault.hpp"

#include <cerrno>
#include <limits>
#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

namespace coproc::os {

growing_memory growing_memory::create(const char* name) {
  int error = injected_error(call::memfd_create);
  unique_fd fd(error ? -1 : ::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) throw_errno(error ? error : errno, "create shared memory");
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
    throw_errno(errno, "seal shared memory");
  growing_memory made;
  made.fd_ = above_standard_streams(std::move(fd));
  return made;
}

growing_memory growing_memory::adopt(unique_fd fd) {
  const int seals = ::fcntl(fd.get(), F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) throw_errno(EINVAL, "not the shared memory of a queue");
  growing_memory made;
  made.fd_ = std::move(fd);
  return made;
}

std::size_t growing_memory::size() const {
  struct stat status {};
  if (::fstat(fd(), &status) != 0) throw_errno(errno, "ask for the size of shared memory");
  return static_cast<std::size_t>(status.st_size);
}

void growing_memory::allocate(std::size_t offset, std::size_t size) {
  const auto fail = [size](int error, const std::string& why = {}) {
    throw_errno(error, "allocate " + std::to_string(size) + " bytes of shared memory" + why);
  };
  constexpr auto most = static_cast<std::size_t>(std::numeric_limits<off_t>::max());
  if (offset > most || size > most - offset) fail(EFBIG);
  // The limit on the size of files holds for shared memory, too, and the kernel sends SIGXFSZ beyond it
  // (setrlimit(2)). The program that has it asked for a limit, and not for a death.
  rlimit limit{};
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
      offset + size > limit.rlim_cur)
    fail(EFBIG, ": the limit on the size of files (RLIMIT_FSIZE) is " + std::to_string(limit.rlim_cur));
  int error = injected_error(call::fallocate);
  while (!error && ::fallocate(fd(), 0, static_cast<off_t>(offset), static_cast<off_t>(size)) != 0)
    if (errno != EINTR) error = errno;
  if (error) fail(error);
}

void growing_memory::discard(std::size_t offset, std::size_t size) noexcept {
  // A failure leaves the memory where it is.
  (void)::fallocate(fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                    static_cast<off_t>(size));
}

growing_view::~growing_view() {
  if (data_) ::munmap(data_, size_);
}

bool growing_view::cover(const growing_memory& memory, std::size_t size) {
  if (size <= size_) return true;
  const std::size_t all = memory.size();
  if (size > all) return false;
  const int error = injected_error(call::mmap);
  void* mapped = MAP_FAILED;
  if (!error)
    mapped = data_ ? ::mremap(data_, size_, all, MREMAP_MAYMOVE)
                   : ::mmap(nullptr, all, PROT_READ | PROT_WRITE, MAP_SHARED, memory.fd(), 0);
  if (mapped == MAP_FAILED)
    throw_errno(error ? error : errno, "map " + std::to_string(all) + " bytes of shared memory");
  data_ = static_cast<std::byte*>(mapped);
  size_ = all;
  return true;
}

} // namespace coproc::os
