#include <coproc/command.hpp>

#include "os/words.hpp"
#include "program/command_spec.hpp"

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <string_view>

namespace coproc {

using detail::access;
using detail::command_spec;

namespace {

/// The kernel takes strings up to the first NUL: what comes after it would be lost without a word.
void refuse_nul(const std::string& value, const std::string& what) {
  std::size_t at = value.find('\0');
  if (at == std::string::npos) return;
  throw std::invalid_argument(what + " '" + value.substr(0, at) + "\\0" + value.substr(at + 1) +
                              "' has a NUL byte, at offset " + std::to_string(at));
}

void check_key(const std::string& key) {
  if (key.empty()) throw std::invalid_argument("command: the name of an environment variable is empty");
  if (key.find('=') != std::string::npos)
    throw std::invalid_argument("command: the name of environment variable '" + key + "' contains '='");
  refuse_nul(key, "command: the name of environment variable");
}

void check_not_negative(duration d, const char* what) {
  if (d < duration::zero()) throw std::invalid_argument(std::string("command: ") + what + " is negative");
}

} // namespace

command::command(start_with, std::string program) : spec_(std::make_unique<command_spec>()) {
  if (program.empty()) throw std::invalid_argument("command: the program is empty");
  refuse_nul(program, "command: the program");
  access::spec(*this).program = std::move(program);
}

command command::shell(std::string line) { return command("/bin/sh", "-c", std::move(line)); }

command command::parse(const std::string& line) {
  refuse_nul(line, "command: the line");
  std::vector<std::string> words = os::split_words(line);
  if (words.empty()) throw std::invalid_argument("command: the line '" + line + "' has no word");
  command result(start_with{}, std::move(words.front()));
  for (std::size_t i = 1; i != words.size(); ++i) result.add_argument(std::move(words[i]));
  return result;
}

command::command(const command& other)
    : spec_(other.spec_ ? std::make_unique<command_spec>(*other.spec_) : nullptr) {}
command::command(command&&) noexcept = default;
command& command::operator=(const command& other) {
  if (this != &other) spec_ = other.spec_ ? std::make_unique<command_spec>(*other.spec_) : nullptr;
  return *this;
}
command& command::operator=(command&&) noexcept = default;
command::~command() = default;

void command::add_argument(std::string value) {
  refuse_nul(value, "command '" + access::spec(*this).program + "': argument " +
                        std::to_string(access::spec(*this).arguments.size() + 1));
  access::spec(*this).arguments.push_back(std::move(value));
}

command& command::arg(std::string value) & {
  add_argument(std::move(value));
  return *this;
}

command& command::cwd(std::filesystem::path directory) & {
  std::string name = directory.string();
  if (name.empty())
    throw std::invalid_argument("command '" + access::spec(*this).program +
                                "': the working directory is empty");
  refuse_nul(name, "command '" + access::spec(*this).program + "': the working directory");
  access::spec(*this).cwd = std::move(name);
  return *this;
}

command& command::env(std::string key, std::string value) & {
  check_key(key);
  refuse_nul(value, "command: the value of environment variable '" + key + "',");
  access::spec(*this).env.emplace_back(std::move(key), std::move(value));
  return *this;
}

command& command::unset_env(std::string key) & {
  check_key(key);
  access::spec(*this).env.emplace_back(std::move(key), std::nullopt);
  return *this;
}

command& command::clear_env() & {
  access::spec(*this).clear_env = true;
  access::spec(*this).env.clear();
  return *this;
}

command& command::in(stdio s) & {
  detail::require_input(s, "command::in");
  access::spec(*this).in = std::move(s);
  return *this;
}

command& command::out(stdio s) & {
  detail::require_output(s, detail::may_merge::no, "command::out");
  access::spec(*this).out = std::move(s);
  return *this;
}

command& command::err(stdio s) & {
  detail::require_output(s, detail::may_merge::yes, "command::err");
  access::spec(*this).err = std::move(s);
  return *this;
}

command& command::input(std::string bytes) & { return in(stdio::bytes(std::move(bytes))); }

command& command::timeout(duration d) & {
  check_not_negative(d, "the timeout");
  access::spec(*this).timeout = d;
  return *this;
}

command& command::stop(stop_policy policy) & {
  access::spec(*this).stop = policy;
  return *this;
}

command& command::check() & {
  access::spec(*this).check = true;
  return *this;
}

command& command::max_output(std::size_t bytes) & {
  access::spec(*this).max_output = bytes;
  return *this;
}

command& command::drain_grace(duration d) & {
  check_not_negative(d, "the drain grace");
  access::spec(*this).drain_grace = d;
  return *this;
}

command& command::process_group(group_mode mode) & {
  access::spec(*this).group = mode;
  return *this;
}

command& command::die_with_parent() & {
  access::spec(*this).die_with_parent = true;
  return *this;
}

command& command::inherit_fd(int descriptor) & {
  if (descriptor < 0)
    throw std::invalid_argument("command '" + access::spec(*this).program + "': cannot inherit descriptor " +
                                std::to_string(descriptor));
  access::spec(*this).inherited.push_back(descriptor);
  return *this;
}

command& command::limit(resource which, std::uint64_t soft, std::uint64_t hard) & {
  if (soft > hard)
    throw std::invalid_argument("command '" + access::spec(*this).program + "': a soft limit of " +
                                std::to_string(soft) + " is above its hard limit, " + std::to_string(hard));
  access::spec(*this).limits.push_back({which, soft, hard});
  return *this;
}

command& command::nice(int increment) & {
  access::spec(*this).nice = increment;
  return *this;
}

command& command::umask(unsigned mode) & {
  if (mode > 0777)
    throw std::invalid_argument("command '" + access::spec(*this).program + "': the umask " +
                                std::to_string(mode) + " has more than the nine permission bits");
  access::spec(*this).umask = mode;
  return *this;
}

command& command::user(unsigned uid, unsigned gid) & {
  // To the kernel -1 means "no change", setresuid(2): the answer of a failed look-up must not run as root.
  if (uid == unsigned(-1) || gid == unsigned(-1))
    throw std::invalid_argument("command '" + access::spec(*this).program + "': -1 is no user or group");
  access::spec(*this).user = {uid, gid};
  return *this;
}

namespace {

/// The reserved words of a shell, which are none if they are quoted (the others need quotes anyway).
bool is_reserved(const std::string& word) {
  static constexpr std::string_view reserved[] = {"case", "do",   "done",     "elif", "else", "esac",
                                                  "fi",   "for",  "function", "if",   "in",   "select",
                                                  "then", "time", "until",    "while"};
  return std::find(std::begin(reserved), std::end(reserved), word) != std::end(reserved);
}

} // namespace

std::string command::to_string() const {
  if (!spec_) return {};
  // Unquoted, the first word could be an assignment, or one of the shell's own.
  std::string result = detail::shell_quoted(access::spec(*this).program);
  if (result.front() != '\'' && (result.find('=') != std::string::npos || is_reserved(result)))
    result.insert(0, 1, '\'') += '\'';
  for (const std::string& argument : access::spec(*this).arguments)
    result += ' ' + detail::shell_quoted(argument);
  return result;
}

std::string detail::shell_quoted(const std::string& word) {
  constexpr const char* safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=@%+,";
  if (!word.empty() && word.find_first_not_of(safe) == std::string::npos) return word;
  std::string result = "'";
  for (char c : word) {
    if (c == '\'')
      result += "'\\''";
    else
      result += c;
  }
  return result + '\'';
}

} // namespace coproc
