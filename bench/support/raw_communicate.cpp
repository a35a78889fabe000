#include "launch.hpp"
#include "raw.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <memory>
#include <new>
#include <poll.h>
#include <stdexcept>
#include <unistd.h>

namespace bench::raw {

namespace {

struct freed {
  void operator()(char* p) const { std::free(p); }
};

void unblock(int fd) {
  if (::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK) != 0) fail("fcntl O_NONBLOCK");
}

bool would_block() { return errno == EAGAIN || errno == EINTR; }

outcome communicate(const workload& work, int pipe_size) {
  const auto size = static_cast<std::size_t>(work.width);
  const std::string input(size, 'i');
  nanoseconds elapsed{};
  for (std::int64_t n = 0; n < work.count; ++n) {
    const auto begin = std::chrono::steady_clock::now();
    pipe_ends in(pipe_size), out(pipe_size);
    const launched child = launch({work.program}, in.read, out.write);
    in.close_read();
    out.close_write();
    unblock(in.write);
    unblock(out.read);

    std::size_t written = 0, total = 0, capacity = 65536;
    std::unique_ptr<char, freed> result(static_cast<char*>(std::malloc(capacity)));
    while (out.read >= 0) {
      pollfd watched[2] = {{out.read, POLLIN, 0}, {in.write, POLLOUT, 0}};
      if (::poll(watched, in.write >= 0 ? 2 : 1, -1) < 0 && errno != EINTR) fail("poll");
      if (in.write >= 0 && watched[1].revents != 0) {
        const ssize_t put = ::write(in.write, input.data() + written, size - written);
        if (put < 0 && !would_block()) fail("write");
        written += put > 0 ? static_cast<std::size_t>(put) : 0;
        if (written == size) in.close_write();
      }
      if (watched[0].revents != 0) {
        if (capacity - total < 65536) {
          capacity *= 2;
          char* larger = static_cast<char*>(std::realloc(result.get(), capacity));
          if (larger == nullptr) throw std::bad_alloc();
          static_cast<void>(result.release());
          result.reset(larger);
        }
        const ssize_t got = ::read(out.read, result.get() + total, capacity - total);
        if (got < 0 && !would_block()) fail("read");
        if (got == 0) out.close_read();
        total += got > 0 ? static_cast<std::size_t>(got) : 0;
      }
    }
    reap(child);
    elapsed += std::chrono::steady_clock::now() - begin;
    if (total != size || result.get()[size - 1] != 'i') throw std::runtime_error("not all bytes came back");
  }
  return {elapsed};
}

} // namespace

outcome communicate_64k(const workload& work) { return communicate(work, 0); }
outcome communicate_1m(const workload& work) { return communicate(work, 1 << 20); }

} // namespace bench::raw
