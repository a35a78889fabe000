#include "os/boost_process.hpp"

#include "os/boost_launcher.hpp"

#include <boost/process/v2/environment.hpp>
#include <boost/version.hpp>

#include <cerrno>
#include <vector>

#include <unistd.h>

#if BOOST_VERSION >= 108600
// Not header-only any more, and the compiled library is made for Boost.Asio: what is used of it.
namespace process_v2 {

namespace detail {
error_code get_last_error() { return {errno, system_category()}; }
void do_throw_error(const error_code& error) { throw system_error(error); }
void do_throw_error(const error_code& error, const char* location) { throw system_error(error, location); }
} // namespace detail

namespace error {
namespace {
struct category_of_exit_codes final : error_category {
  const char* name() const noexcept override { return "process.v2.exit_code"; }
  std::string message(int value) const override { return "exit code " + std::to_string(value); }
};
} // namespace
const error_category& get_exit_code_category() {
  static category_of_exit_codes category;
  return category;
}
const error_category& get_utf8_category() { return system_category(); } // strings are bytes on POSIX
} // namespace error

namespace environment::detail {
native_handle_type load_native_handle() { return ::environ; }
native_iterator next(native_handle_type at) { return at + 1; }
native_iterator find_end(native_handle_type at) {
  while (*at) ++at;
  return at;
}
} // namespace environment::detail

} // namespace process_v2
#endif

namespace coproc::os {

template process_v2::process clone_launcher::operator()(asio::any_io_executor, process_v2::error_code&,
                                                        const process_v2::filesystem::path&,
                                                        const std::vector<std::string>&);

std::vector<std::string> host_environment() {
  std::vector<std::string> result;
  if (!::environ) return result; // after clearenv(3), which v2 does not expect
  // As they are: of one without a '=', key() and value() are the whole, both.
  for (auto entry : process_v2::environment::current()) result.push_back(entry.string());
  return result;
}

} // namespace coproc::os
