#pragma once

#include <coproc/duration.hpp>
#include <coproc/group_mode.hpp>
#include <coproc/resource.hpp>
#include <coproc/stdio.hpp>
#include <coproc/stop_policy.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace coproc {

namespace detail {

struct command_spec;

inline std::string to_argument(std::string s) { return s; }
inline std::string to_argument(std::string_view s) { return std::string(s); }
inline std::string to_argument(const char* s) { return s; }
inline std::string to_argument(const std::filesystem::path& p) { return p.string(); }

} // namespace detail

/// What can stand as an argument of a program: anything string-like, or a path. Numbers are spelled out by
/// the caller (`std::to_string`), so that nothing is formatted by surprise.
template <class T>
concept program_argument = requires(T&& value) {
  detail::to_argument(std::forward<T>(value));
};

/// A program to run, and how: a copyable, movable value that can be started any number of times.
///
/// Options chain, on a temporary as well as on a named command:
/// `run(command("sort", "-u").cwd("/tmp").input("b\na\n").timeout(5s))`.
/// The last one wins where an option is given twice; args, env, limit and inherit_fd add up. Strings go to
/// the program byte for byte: no shell, no quoting, no globbing.
///
/// @throws std::invalid_argument at the option itself, if a value can't be used: an empty program, a NUL byte
/// in a string, an environment name that is empty or contains `=`. The message names it.
///
/// **Thread safety**: as any value; distinct objects are independent.
class command {
public:
  /// @param program with a `/` it is taken as it is, relative to the child's working directory; otherwise it
  /// is looked up in the PATH of the child's environment (`/bin:/usr/bin` if that has none).
  /// @param args the arguments after the program's name: strings, string views, literals, paths.
  template <program_argument... Args>
  explicit command(std::string program, Args&&... args) : command(start_with{}, std::move(program)) {
    (add_argument(detail::to_argument(std::forward<Args>(args))), ...);
  }

  /// A line for the shell: `/bin/sh -c line`. Never build @p line from input that you don't trust.
  static command shell(std::string line);

  /// Splits @p line into words as a shell would: quotes, `~`, `$VAR`, globs. No shell runs, and no command is
  /// substituted.
  /// @throws std::invalid_argument if the line has unbalanced quotes, an operator such as `|` or `>`, a
  /// command substitution, or no word at all.
  static command parse(const std::string& line);

  command(const command&);
  command(command&&) noexcept;
  command& operator=(const command&);
  command& operator=(command&&) noexcept;
  ~command();

  /// Adds one argument.
  command& arg(std::string value) &;
  command&& arg(std::string value) && { return std::move(arg(std::move(value))); }

  /// Adds every element of @p range, which are string-like or paths.
  template <class Range>
  command& args(const Range& range) & {
    for (const auto& value : range) add_argument(detail::to_argument(value));
    return *this;
  }
  template <class Range>
  command&& args(const Range& range) && {
    return std::move(args(range));
  }

  /// The child's working directory. One that is missing is a `std::system_error` at the start that names it.
  command& cwd(std::filesystem::path directory) &;
  command&& cwd(std::filesystem::path directory) && { return std::move(cwd(std::move(directory))); }

  /// Sets one variable. The rest comes from the host's environment as of the start (see clear_env).
  command& env(std::string key, std::string value) &;
  command&& env(std::string key, std::string value) && {
    return std::move(env(std::move(key), std::move(value)));
  }
  /// Removes one variable; nothing happens if it is not there.
  command& unset_env(std::string key) &;
  command&& unset_env(std::string key) && { return std::move(unset_env(std::move(key))); }
  /// Starts from an empty environment, and forgets what env and unset_env said before.
  command& clear_env() &;
  command&& clear_env() && { return std::move(clear_env()); }

  /// Where stdin, stdout and stderr come from and go to. The default depends on the call: run() gives no
  /// input and captures both outputs, check_output() captures stdout alone, call() and spawn() inherit all
  /// three.
  /// @throws std::invalid_argument for merge() other than on err, for bytes() other than on in, and for
  /// append() on in.
  command& in(stdio) &;
  command&& in(stdio s) && { return std::move(in(std::move(s))); }
  command& out(stdio) &;
  command&& out(stdio s) && { return std::move(out(std::move(s))); }
  command& err(stdio) &;
  command&& err(stdio s) && { return std::move(err(std::move(s))); }
  /// `in(stdio::bytes(bytes))`.
  command& input(std::string bytes) &;
  command&& input(std::string bytes) && { return std::move(input(std::move(bytes))); }

  /// Counted from the start to the end of the program. When it is over the stop sequence begins; run(),
  /// call(), check_output() and communicate() then throw timeout_expired, while wait() gives the status that
  /// the stop led to. What a program leaves behind that holds its streams open is drain_grace()'s concern.
  command& timeout(duration) &;
  command&& timeout(duration d) && { return std::move(timeout(d)); }
  /// How a timeout, child::stop() or the cancellation of run() stops it. Default: SIGTERM, 5 s, SIGKILL.
  command& stop(stop_policy) &;
  command&& stop(stop_policy p) && { return std::move(stop(p)); }
  /// run() and call() throw called_process_error unless it succeeds.
  command& check() &;
  command&& check() && { return std::move(check()); }
  /// The most that is kept of each captured stream, in bytes. A program that writes more is stopped, and
  /// output_limit is thrown. Default: no limit.
  command& max_output(std::size_t bytes) &;
  command&& max_output(std::size_t bytes) && { return std::move(max_output(bytes)); }
  /// How long run() and communicate() wait, after the program has ended, for the end of its captured streams,
  /// which a grandchild may hold open; what has been written by then is read in any case. Default: 250 ms.
  command& drain_grace(duration) &;
  command&& drain_grace(duration d) && { return std::move(drain_grace(d)); }

  /// Default: group_mode::inherit if stdin is inherited (a program in a group of its own can't read from the
  /// terminal), else group_mode::own.
  command& process_group(group_mode) &;
  command&& process_group(group_mode m) && { return std::move(process_group(m)); }
  /// The child is killed when the host dies, even by SIGKILL. Linux (PR_SET_PDEATHSIG, prctl(2)): it also
  /// fires when the *thread* that started the child ends, and a set-user-ID program clears it. Elsewhere:
  /// start fails with `std::errc::function_not_supported`.
  command& die_with_parent() &;
  command&& die_with_parent() && { return std::move(die_with_parent()); }
  /// A descriptor that the child gets under the same number, besides 0, 1 and 2. Every other one is closed.
  command& inherit_fd(int descriptor) &;
  command&& inherit_fd(int descriptor) && { return std::move(inherit_fd(descriptor)); }
  /// Sets a limit for the child; `unlimited` is none. @p soft is what counts, @p hard what it may be raised
  /// to.
  command& limit(resource, std::uint64_t soft, std::uint64_t hard) &;
  command&& limit(resource r, std::uint64_t soft, std::uint64_t hard) && {
    return std::move(limit(r, soft, hard));
  }
  /// Adds to the niceness, as nice(2): positive values give way to others.
  command& nice(int increment) &;
  command&& nice(int increment) && { return std::move(nice(increment)); }
  /// The child's file mode creation mask, umask(2).
  command& umask(unsigned mode) &;
  command&& umask(unsigned mode) && { return std::move(umask(mode)); }
  /// Runs as this user and group, and drops all supplementary groups. Needs the privilege to do so.
  command& user(unsigned uid, unsigned gid) &;
  command&& user(unsigned uid, unsigned gid) && { return std::move(user(uid, gid)); }

  /// @returns the program and its arguments, quoted so that a POSIX shell reads them as they are.
  std::string to_string() const;

private:
  struct start_with {};
  command(start_with, std::string program);
  void add_argument(std::string value);
  friend struct detail::access;

  std::unique_ptr<detail::command_spec> spec_; // never null but after a move
};

} // namespace coproc
