#include "os/boost_process.hpp"

#include "os/boost_process_v2.hpp"

#include <boost/process/v2/environment.hpp>
#include <boost/version.hpp>

#include <unistd.h>

#if BOOST_VERSION >= 108600
// Not header-only any more, and the compiled library is made for Boost.Asio.
namespace process_v2::environment::detail {
native_handle_type load_native_handle() { return ::environ; }
native_iterator next(native_handle_type at) { return at + 1; }
native_iterator find_end(native_handle_type at) {
  while (*at) ++at;
  return at;
}
} // namespace process_v2::environment::detail
#endif

namespace coproc::os {

std::vector<std::pair<std::string, std::string>> host_environment() {
  std::vector<std::pair<std::string, std::string>> result;
  if (!::environ) return result; // after clearenv(3), which v2 does not expect
  for (auto entry : process_v2::environment::current())
    result.emplace_back(entry.key().string(), entry.value().string());
  return result;
}

} // namespace coproc::os
