#include <coproc/exit_status.hpp>

#include <stdexcept>

#include <signal.h>
#include <string.h>

namespace coproc {

namespace {

std::string signal_name(int number) {
  if (number >= SIGRTMIN && number <= SIGRTMAX) return "SIGRTMIN+" + std::to_string(number - SIGRTMIN);
  if (const char* abbreviation = ::sigabbrev_np(number)) return std::string("SIG") + abbreviation;
  return "signal " + std::to_string(number);
}

} // namespace

exit_status exit_status::exited(int code) { return {kind::exited, code, false}; }
exit_status exit_status::signaled(int signal, bool core_dumped) {
  return {kind::signaled, signal, core_dumped};
}
exit_status exit_status::unknown() { return {kind::unknown, 0, false}; }

exit_status::kind exit_status::checked() const {
  if (kind_ == kind::empty) throw std::logic_error("exit_status: it is empty (default-constructed)");
  return kind_;
}

bool exit_status::success() const { return checked() == kind::exited && value_ == 0; }

std::optional<int> exit_status::code() const {
  if (checked() != kind::exited) return std::nullopt;
  return value_;
}

std::optional<int> exit_status::signal() const {
  if (checked() != kind::signaled) return std::nullopt;
  return value_;
}

bool exit_status::core_dumped() const { return checked() == kind::signaled && core_dumped_; }

bool exit_status::known() const { return checked() != kind::unknown; }

int exit_status::returncode() const {
  switch (checked()) {
  case kind::exited:
    return value_;
  case kind::signaled:
    return -value_;
  default:
    return 255;
  }
}

std::string exit_status::to_string() const {
  switch (checked()) {
  case kind::exited:
    return "exited with code " + std::to_string(value_);
  case kind::signaled:
    return "killed by " + signal_name(value_) + (core_dumped_ ? " (core dumped)" : "");
  default:
    return "ended with an unknown status";
  }
}

} // namespace coproc
