#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace coproc::detail {

// What the host, the fork server and the children say to each other. All three run the same file, so the
// layouts need no version.

/// The kinds of messages between the host and a child, on the child's own channel.
enum class call_kind : std::uint32_t {
  call = 1,  ///< To the child: call_header, then the encoded arguments. A small one comes by the fork server.
  ready,     ///< From the child: it has found the code that it is to run.
  missing,   ///< From the child: it has not; a string says why.
  result,    ///< From the child: the encoded result.
  exception, ///< From the child: std::vector<remote_error::exception>.
  detached,  ///< To the child, which does not read it: keeps its lifeline, in the queue of its own socket.
};

/// The kinds of messages between the host and the fork server.
enum class fork_kind : std::uint32_t {
  hello = 1, ///< From the server: server_hello.
  start,     ///< To the server: start_request, with descriptors.
  signal,    ///< To the server: child_signal.
  started,   ///< From the server: start_reply, and the child's pidfd where there is one.
  ended,     ///< From the server: end_report.
};

struct call_header {
  std::string module_id;
  std::string module_path;
  std::uint64_t offset = 0;
  std::string function;
};

struct server_hello {
  bool usable = false; ///< False: it has other threads, so that a child of it would lack them.
};

/// A small call comes with it: its descriptors before those of the request, and its bytes after it. Then
/// come, in this order, the child's end of its channel, its end of the lifeline, a new working directory, and
/// those of stdin, stdout and stderr that @p streams has a bit for (1, 2, 4).
struct start_request {
  std::uint64_t id = 0;
  std::string name;        ///< Of the process.
  bool has_call = false;   ///< Otherwise it waits in the child's channel.
  bool null_input = false; ///< Its stdin is the server's own, which is /dev/null.
  std::uint32_t call_descriptors = 0;
  std::string module_id;
  std::uint64_t offset = 0;
  std::uint32_t umask = 0;
  std::uint32_t streams = 0;
  bool new_directory = false;   ///< Whether it differs from that of the last request.
  bool new_environment = false; ///< The same.
  std::vector<std::string> environment;
};

struct start_reply {
  std::uint64_t id = 0;
  std::int32_t pid = -1;
  std::int32_t error = 0;    ///< errno: no process.
  bool not_there = false;    ///< That is why: it can't go to the working directory. Otherwise: it can't fork.
  bool missing_code = false; ///< No process: it does not have the code.
};

struct end_report {
  std::uint64_t id = 0;
  std::int32_t code = 0; ///< Of its exit; -signal if that killed it.
  bool core_dumped = false;
  bool known = true;
  std::int64_t user = 0; ///< As resource_usage, in nanoseconds.
  std::int64_t system = 0;
  std::uint64_t max_rss_bytes = 0;
  std::uint64_t minor_faults = 0;
  std::uint64_t major_faults = 0;
  std::uint64_t voluntary = 0;
  std::uint64_t involuntary = 0;
};

/// The server alone knows which of its children are not reaped, so whose ids can't be anybody else's.
struct child_signal {
  std::uint64_t id = 0; ///< Of the start_request.
  std::int32_t number = 0;
  bool to_group = false; ///< To the process group that it leads.
};

// The first argument of a program that the library executes in place of a user, followed by descriptors:
// --coproc-server=SOCKET, --coproc-child=CHANNEL,LIFELINE
// (and the name of the process comes after that).
inline constexpr std::string_view server_option = "--coproc-server=";
inline constexpr std::string_view child_option = "--coproc-child=";

} // namespace coproc::detail
