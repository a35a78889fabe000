#include <coproc/stdio.hpp>

#include "program/command_spec.hpp"

#include <stdexcept>

namespace coproc {

stdio stdio::inherit() { return stdio(kind::inherit); }
stdio stdio::null() { return stdio(kind::null); }
stdio stdio::pipe() { return stdio(kind::pipe); }
stdio stdio::merge() { return stdio(kind::merge); }

stdio stdio::bytes(std::string data) {
  stdio result(kind::bytes);
  result.bytes_ = std::make_shared<const std::string>(std::move(data));
  return result;
}

namespace {

std::string checked_path(const std::filesystem::path& path, const char* what) {
  std::string name = path.string();
  if (name.empty()) throw std::invalid_argument(std::string(what) + ": the path is empty");
  if (std::size_t at = name.find('\0'); at != std::string::npos)
    throw std::invalid_argument(std::string(what) + ": the path '" + name.substr(0, at) + "\\0" +
                                name.substr(at + 1) + "' has a NUL byte");
  return name;
}

} // namespace

stdio stdio::file(std::filesystem::path path) {
  stdio result(kind::file);
  result.path_ = checked_path(path, "stdio::file");
  return result;
}

stdio stdio::append(std::filesystem::path path) {
  stdio result(kind::append);
  result.path_ = checked_path(path, "stdio::append");
  return result;
}

stdio stdio::fd(int descriptor) {
  if (descriptor < 0)
    throw std::invalid_argument("stdio::fd: " + std::to_string(descriptor) + " is no descriptor");
  stdio result(kind::fd);
  result.fd_ = descriptor;
  return result;
}

namespace detail {

namespace {

[[noreturn]] void refuse(const char* option, const char* why) {
  throw std::invalid_argument(std::string(option) + ": " + why);
}

constexpr const char* merge_is_for_stderr = "stdio::merge() is for stderr alone";

} // namespace

void require_input(const stdio& stream, const char* option) {
  if (access::kind_of(stream) == access::kind::merge) refuse(option, merge_is_for_stderr);
  if (access::kind_of(stream) == access::kind::append) refuse(option, "stdio::append() is for outputs");
}

void require_output(const stdio& stream, may_merge merge, const char* option) {
  if (access::kind_of(stream) == access::kind::merge && merge == may_merge::no)
    refuse(option, merge_is_for_stderr);
  if (access::kind_of(stream) == access::kind::bytes) refuse(option, "stdio::bytes() is for stdin alone");
}

} // namespace detail
} // namespace coproc
