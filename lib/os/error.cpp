#include "os/error.hpp"

#include <asio/error.hpp>

namespace coproc::os {

std::error_code errno_code(int number) { return {number, std::system_category()}; }

void throw_errno(int number, const std::string& what) { throw std::system_error(errno_code(number), what); }

std::error_code portable(const asio::error_code& error) {
  if (error == asio::error::operation_aborted || error.category() != asio::system_category()) return error;
  return errno_code(error.value());
}

} // namespace coproc::os
