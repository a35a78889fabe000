#include "os/memory_segment.hpp"

#include "os/error.hpp"
#include "os/fault.hpp"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace coproc::os {

namespace {

std::string bytes_text(std::size_t size) { return std::to_string(size) + " bytes of shared memory"; }

// The limit of a process on the size of files holds for shared memory, too, and beyond it the kernel sends
// SIGXFSZ (setrlimit(2)). The program that has it asked for a limit, and not for a death.
void check_file_size_limit(std::size_t size) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && size > limit.rlim_cur)
    throw_errno(EFBIG, "allocate " + bytes_text(size) +
                           ": the limit on the size of files (RLIMIT_FSIZE) is " +
                           std::to_string(limit.rlim_cur));
  if (size > static_cast<std::size_t>(std::numeric_limits<off_t>::max()))
    throw_errno(EFBIG, "allocate " + bytes_text(size));
}

int seals_of(int fd) noexcept {
  int seals = ::fcntl(fd, F_GET_SEALS);
  return seals < 0 ? 0 : seals;
}

void add_seals(int fd, int seals) {
  if (::fcntl(fd, F_ADD_SEALS, seals) < 0) throw_errno(errno, "seal shared memory");
}

constexpr int size_seals = F_SEAL_SHRINK | F_SEAL_GROW;

} // namespace

void advise_huge_pages(void* memory, std::size_t size) noexcept {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<std::uintptr_t>(memory) + page - 1) / page * page;
  const auto end = (reinterpret_cast<std::uintptr_t>(memory) + size) / page * page;
  const int before = errno;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
  errno = before;
}

mapping::mapping(mapping&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

mapping& mapping::operator=(mapping&& other) noexcept {
  if (this != &other) {
    reset();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

mapping::~mapping() { reset(); }

void mapping::reset() noexcept {
  if (data_) ::munmap(data_, size_);
  data_ = nullptr;
  size_ = 0;
}

memory_segment memory_segment::create(const char* name) {
  int error = injected_error(call::memfd_create);
  unique_fd fd(error ? -1 : ::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) throw_errno(error ? error : errno, "create shared memory");
  return memory_segment(above_standard_streams(std::move(fd)));
}

std::size_t memory_segment::size() const {
  struct stat status {};
  if (::fstat(fd(), &status) != 0) throw_errno(errno, "ask for the size of shared memory");
  return static_cast<std::size_t>(status.st_size);
}

void memory_segment::allocate(std::size_t size) {
  check_file_size_limit(size);
  int error = injected_error(call::fallocate);
  while (!error && ::fallocate(fd(), 0, 0, static_cast<off_t>(size)) != 0)
    if (errno != EINTR) error = errno;
  if (error) throw_errno(error, "allocate " + bytes_text(size));
}

void memory_segment::write(const void* data, std::size_t size, std::size_t offset) {
  check_file_size_limit(offset + size);
  auto from = static_cast<const std::byte*>(data);
  while (size != 0) {
    // One call of Linux transfers at most 0x7ffff000 bytes, write(2).
    const std::size_t piece = injected_limit(call::pwrite, std::min(size, std::size_t{1} << 30));
    int error = injected_error(call::pwrite);
    const ssize_t written = error ? -1 : ::pwrite(fd(), from, piece, static_cast<off_t>(offset));
    if (written < 0) {
      if (!error) error = errno;
      if (error == EINTR) continue;
      throw_errno(error, "write " + bytes_text(size));
    }
    from += written;
    offset += static_cast<std::size_t>(written);
    size -= static_cast<std::size_t>(written);
  }
}

mapping memory_segment::map(std::size_t size, os::access access, os::sharing sharing,
                            os::population population) const {
  const int protection = access == os::access::write ? PROT_READ | PROT_WRITE : PROT_READ;
  const int flags = (sharing == os::sharing::shared ? MAP_SHARED : MAP_PRIVATE) |
                    (population == os::population::now ? MAP_POPULATE : 0);
  int error = injected_error(call::mmap);
  void* data = error ? MAP_FAILED : ::mmap(nullptr, size, protection, flags, fd(), 0);
  if (data == MAP_FAILED) throw_errno(error ? error : errno, "map " + bytes_text(size));
  return mapping(static_cast<std::byte*>(data), size);
}

void memory_segment::seal() { add_seals(fd(), size_seals | F_SEAL_WRITE | F_SEAL_SEAL); }
void memory_segment::seal_size() { add_seals(fd(), size_seals); }

bool memory_segment::size_is_sealed() const noexcept { return (seals_of(fd()) & size_seals) == size_seals; }

bool memory_segment::is_sealed() const noexcept {
  constexpr int all = size_seals | F_SEAL_WRITE;
  return (seals_of(fd()) & all) == all;
}

} // namespace coproc::os
