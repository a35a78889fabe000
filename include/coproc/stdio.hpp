#pragma once

#include <filesystem>
#include <memory>
#include <string>

namespace coproc {

namespace detail {
struct access;
}

/// Where one of a child's standard streams comes from or goes to.
class stdio {
public:
  /// The host's own stream.
  static stdio inherit();
  /// /dev/null.
  static stdio null();
  /// A pipe to the host: child::in(), out(), err(); run() feeds and drains it.
  static stdio pipe();
  /// stderr only: to wherever stdout goes.
  static stdio merge();
  /// stdin only: these bytes, then end of file. The library feeds them through a pipe, which counts as work
  /// of the event loop until all are written, nobody reads them any more, or the handle is gone.
  static stdio bytes(std::string data);
  /// A file: read from its start as stdin, created or truncated (mode 0666 less the umask) as an output.
  ///
  /// It is opened at the start, relative to the host's working directory and with the host's rights. A FIFO
  /// is refused with `std::errc::invalid_argument`, since opening one waits for its other end (fifo(7)).
  /// stdout and stderr on the same file share one offset, so neither overwrites the other.
  static stdio file(std::filesystem::path path);
  /// Output only: a file, written at its end (O_APPEND), created if it is missing.
  static stdio append(std::filesystem::path path);
  /// A descriptor of the host, which must stay open until the start; it is not closed.
  static stdio fd(int descriptor);

private:
  enum class kind : unsigned char { unset, inherit, null, pipe, merge, bytes, file, append, fd };
  stdio() = default;
  explicit stdio(kind k) : kind_(k) {}
  friend struct detail::access;

  kind kind_ = kind::unset;
  int fd_ = -1;
  std::string path_;
  std::shared_ptr<const std::string> bytes_; // shared by all copies
};

} // namespace coproc
