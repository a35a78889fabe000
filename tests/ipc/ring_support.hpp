#pragma once

#include "ipc/shared_ring.hpp"

#include <chrono>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

namespace coproc::test {

/// Takes bytes.
class byte_sink final : public detail::item_sink {
public:
  void take(std::span<const std::byte> from) override { bytes.assign(from.begin(), from.end()); }
  std::vector<std::byte> bytes;
};

/// Stops its process, which holds the getters' lock at that moment.
class stopping_sink final : public detail::item_sink {
public:
  void take(std::span<const std::byte> from) override {
    ::raise(SIGSTOP);
    bytes.assign(from.begin(), from.end());
  }
  std::vector<std::byte> bytes;
};

inline std::span<const std::byte> bytes_of(const std::vector<std::byte>& bytes) { return bytes; }

template <class T>
std::span<const std::byte> bytes_of(const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  return std::as_bytes(std::span<const T, 1>(&value, 1));
}

inline constexpr os::deadline never = os::no_deadline;
inline auto in(std::chrono::milliseconds time) { return std::chrono::steady_clock::now() + time; }

inline bool is_done(detail::ring_result result) { return result == detail::ring_result::done; }

template <class T>
detail::ring_result put(detail::shared_ring& ring, const T& value) {
  return ring.put(bytes_of(value), never);
}

/// @returns an item that is there.
template <class T>
T get(detail::shared_ring& ring) {
  byte_sink sink;
  if (ring.try_get(sink, never) != detail::ring_result::done) throw std::runtime_error("no item");
  if (sink.bytes.size() != sizeof(T)) throw std::runtime_error("an item of another size");
  T value;
  std::memcpy(&value, sink.bytes.data(), sizeof value);
  return value;
}

/// An item whose content says what it has to be.
struct stamped {
  static std::vector<std::byte> make(std::size_t size, unsigned seed) {
    std::vector<std::byte> bytes(size);
    for (std::size_t i = 0; i != size; ++i) bytes[i] = at(i, seed);
    return bytes;
  }
  static bool is(std::span<const std::byte> bytes, unsigned seed) {
    for (std::size_t i = 0; i != bytes.size(); ++i)
      if (bytes[i] != at(i, seed)) return false;
    return true;
  }

private:
  static std::byte at(std::size_t i, unsigned seed) { return std::byte(i * 7 + (i >> 8) + seed); }
};

inline detail::shared_ring::descriptors duplicates(const detail::shared_ring& ring) {
  detail::shared_ring::descriptors all;
  const auto fds = ring.fds();
  for (std::size_t i = 0; i != all.size(); ++i) all[i] = os::duplicate(fds[i]);
  return all;
}

/// Another look at the memory of a ring: what a test wants to see, or to overwrite.
class ring_memory {
public:
  explicit ring_memory(const detail::shared_ring& ring) {
    fd_ = os::duplicate(ring.fds()[0]);
    size_ = static_cast<std::size_t>(status().st_size);
    data_ = static_cast<std::byte*>(::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0));
    if (data_ == MAP_FAILED) throw std::runtime_error("mmap");
  }
  ring_memory(const ring_memory&) = delete;
  ~ring_memory() { ::munmap(data_, size_); }

  detail::ring_layout& layout() const { return *reinterpret_cast<detail::ring_layout*>(data_); }
  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  /// @returns how many bytes of memory it takes now.
  std::size_t resident() const { return static_cast<std::size_t>(status().st_blocks) * 512; }
  std::size_t size_now() const { return static_cast<std::size_t>(status().st_size); }

private:
  struct stat status() const {
    struct stat result {};
    ::fstat(fd_.get(), &result);
    return result;
  }

  os::unique_fd fd_;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

} // namespace coproc::test
