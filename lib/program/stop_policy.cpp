#include <coproc/stop_policy.hpp>

#include <stdexcept>
#include <string>

#include <signal.h>

namespace coproc {

stop_policy::stop_policy() : stop_policy(std::chrono::seconds(5)) {}
stop_policy::stop_policy(duration grace) : grace_(grace), signal_(SIGTERM) {}

stop_policy& stop_policy::signal(int number) & {
  if (number <= 0 || number >= NSIG)
    throw std::invalid_argument("stop_policy: " + std::to_string(number) + " is no signal");
  signal_ = number;
  return *this;
}

stop_policy&& stop_policy::signal(int number) && { return std::move(signal(number)); }

} // namespace coproc
