// Writes to stdout as fast as it can:
//
//     emit bytes N    N bytes
//     emit lines N L  N lines of L bytes, the '\n' included
//
// From one buffer that is filled beforehand, 64 KiB at a time, so that it is the reader that is measured.

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <unistd.h>

namespace {

void write_all(const char* data, std::size_t size) {
  while (size != 0) {
    const ssize_t n = ::write(1, data, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) std::_Exit(errno == EPIPE ? 0 : 1);
    data += n;
    size -= static_cast<std::size_t>(n);
  }
}

} // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const bool lines = std::strcmp(argv[1], "lines") == 0;
  const std::size_t length = lines && argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 1;
  if (length == 0) return 2;
  std::size_t left = std::strtoull(argv[2], nullptr, 10) * length;

  std::string line(length, 'x');
  if (lines) line.back() = '\n';
  std::string block;
  while (block.size() < 65536) block += line;
  // Whole lines, and the rest follows: the next block goes on where this one ended.
  while (left != 0) {
    const std::size_t size = std::min(block.size(), left);
    write_all(block.data(), size);
    left -= size;
  }
}
