#include <coproc/init.hpp>
#include <coproc/this_process.hpp>

#include "os/ready.hpp"
#include "os/self.hpp"
#include "os/socket.hpp"
#include "worker/bootstrap.hpp"
#include "worker/fork_server.hpp"
#include "worker/function_child.hpp"
#include "worker/protocol.hpp"

#include <coproc/bootstrap_error.hpp>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace coproc {

namespace detail {

process_identity& identity() {
  static process_identity self;
  return self;
}

void require_init(const std::string& process) {
  if (!identity().initialized)
    throw bootstrap_error(process +
                          " can't be started: main() has to begin with coproc::init(argc, argv), or to "
                          "be coproc::run_main(argc, argv, amain), so that a child process of this "
                          "program knows that it is one");
}

namespace {

[[noreturn]] void refuse(const std::string& argument) {
  std::fprintf(stderr, "%s: %s is for processes that the program starts itself\n", identity().program.c_str(),
               argument.c_str());
  std::_Exit(125);
}

/// @returns the descriptors that follow an option, "7" or "7,9"; -1 for what is no descriptor.
struct two_numbers {
  int first = -1;
  int second = -1;
};
two_numbers parse(std::string_view text) {
  two_numbers result;
  const char* end = text.data() + text.size();
  auto first = std::from_chars(text.data(), end, result.first);
  if (first.ec != std::errc()) return {};
  if (first.ptr == end) return result;
  if (*first.ptr != ',') return {};
  auto second = std::from_chars(first.ptr + 1, end, result.second);
  if (second.ec != std::errc() || second.ptr != end) return {};
  return result;
}

/// The socket that the parent made for this process. Anything else was not meant for it.
os::unique_fd inherited_socket(int fd, const std::string& argument) {
  const int maker = fd < 3 ? 0 : os::maker_of_pair(fd);
  if (maker > 0 && os::has_hung_up(fd)) std::_Exit(125); // it has ended already; this one is nobody's
  if (maker <= 0 || maker != os::parent_id()) refuse(argument);
  os::close_on_exec(fd);
  return os::unique_fd(fd);
}

bool is_option(std::string_view argument) {
  return argument.starts_with(server_option) || argument.starts_with(child_option);
}

/// Ends with the process. @param argument is_option() of it.
[[noreturn]] void become_child(const std::string& argument, const std::string& name) {
  if (argument.starts_with(server_option)) {
    two_numbers given = parse(std::string_view(argument).substr(server_option.size()));
    os::unique_fd socket = inherited_socket(given.first, argument);
    serve_forks(std::move(socket), os::parent_id());
  }
  two_numbers given = parse(std::string_view(argument).substr(child_option.size()));
  os::unique_fd channel = inherited_socket(given.first, argument);
  if (given.second < 3 || !os::close_on_exec(given.second)) refuse(argument);
  const int parent = os::parent_id();
  hold_lifeline(os::unique_fd(given.second), channel);
  run_call(std::move(channel), parent, name, announce::yes);
}

} // namespace
} // namespace detail

void init(int argc, char** argv) {
  using namespace detail;
  process_identity& self = identity();
  if (argc > 0) self.program = argv[0];
  const bool again = std::exchange(self.initialized, true);
  if (argc > 1 && is_option(argv[1])) become_child(argv[1], argc > 2 ? argv[2] : "");
  // A child that did not see that it is one would start children as its parent does. So it asks the system,
  // too, in case that the caller of init() has taken out of argv what it had read. (Not again: one that the
  // server has forked has the server's arguments.)
  if (again) return;
  const std::vector<std::string> arguments = os::own_arguments();
  if (arguments.size() > 1 && is_option(arguments[1]))
    become_child(arguments[1], arguments.size() > 2 ? arguments[2] : "");
}

int this_process::pid() { return os::own_id(); }

int this_process::parent_pid() {
  const int parent = detail::identity().parent;
  return parent != 0 ? parent : os::parent_id();
}

const std::string& this_process::name() { return detail::identity().name; }

} // namespace coproc
