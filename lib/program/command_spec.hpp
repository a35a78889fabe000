#pragma once

#include <coproc/command.hpp>
#include <coproc/input_stream.hpp>
#include <coproc/output_stream.hpp>
#include <coproc/pipeline.hpp>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace coproc::detail {

class child_state;

/// What a command is made of.
struct command_spec {
  std::string program;
  std::string executable; // what is executed in place of looking the program up; empty: nothing
  std::vector<std::string> arguments;
  std::string cwd; // empty: the host's
  bool clear_env = false;
  std::vector<std::pair<std::string, std::optional<std::string>>> env; // in order; no value: unset
  stdio in, out, err;
  std::optional<duration> timeout;
  stop_policy stop;
  bool check = false;
  std::optional<std::size_t> max_output;
  duration drain_grace = std::chrono::milliseconds(250);
  std::optional<group_mode> group;
  bool die_with_parent = false;
  bool no_new_privs = false; // PR_SET_NO_NEW_PRIVS, prctl(2)
  std::vector<int> inherited;
  struct limit {
    coproc::resource which;
    std::uint64_t soft;
    std::uint64_t hard;
  };
  std::vector<limit> limits;
  std::optional<int> nice;
  std::optional<unsigned> umask;
  std::optional<std::pair<unsigned, unsigned>> user;

  command_spec();
};

/// The library's way into the public classes.
struct access {
  using kind = stdio::kind;

  /// @throws std::logic_error if it was moved from.
  static command_spec& spec(const command& c) {
    if (!c.spec_) throw std::logic_error("command: it was moved from");
    return *c.spec_;
  }
  static stdio unset() { return stdio(); }
  static kind kind_of(const stdio& s) { return s.kind_; }
  static int fd_of(const stdio& s) { return s.fd_; }
  static const std::string& path_of(const stdio& s) { return s.path_; }
  static const std::shared_ptr<const std::string>& bytes_of(const stdio& s) { return s.bytes_; }
  static std::optional<duration> timeout_of(const pipeline& p) { return p.timeout_; }
  static bool check_of(const pipeline& p) { return p.check_; }
  /// @returns one of its stages with what holds for all of them.
  static command stage_of(const pipeline& p, std::size_t index) {
    command stage = p.stages_[index];
    command_spec& own = spec(stage);
    if (own.cwd.empty()) own.cwd = p.cwd_.string();
    own.env.insert(own.env.begin(), p.env_.begin(), p.env_.end());
    return stage;
  }
  static input_stream make(std::shared_ptr<input_state> state) { return input_stream(std::move(state)); }
  static output_stream make(std::shared_ptr<output_state> state) { return output_stream(std::move(state)); }
  static const std::shared_ptr<input_state>& state_of(const input_stream& s) { return s.state_; }
  static const std::shared_ptr<output_state>& state_of(const output_stream& s) { return s.state_; }
  template <class Child>
  static Child make_child(std::shared_ptr<child_state> state) {
    return Child(std::move(state));
  }
};

inline command_spec::command_spec() : in(access::unset()), out(access::unset()), err(access::unset()) {}

/// What a child's stdin, and what its stdout or stderr, can be. @p option begins the text: "command::in".
/// @throws std::invalid_argument
void require_input(const stdio& stream, const char* option);
enum class may_merge { no, yes };
void require_output(const stdio& stream, may_merge merge, const char* option);

/// @throws std::logic_error if it was moved from.
void require_stages(const pipeline& stages);

/// Quotes for a POSIX shell.
std::string shell_quoted(const std::string& word);

} // namespace coproc::detail
