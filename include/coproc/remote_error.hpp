#pragma once

#include <coproc/error.hpp>

#include <memory>
#include <string>
#include <vector>

namespace coproc {

/// The function that ran in another process threw an exception. what() tells all of it in one line.
class remote_error : public error {
public:
  /// An exception, and what std::nested_exception says caused it.
  struct exception {
    std::string type;    ///< Its type, demangled; empty if it can't be told.
    std::string message; ///< Its what(); empty if it is no std::exception.
  };

  /// @param chain the exception, then its causes, outermost first; not empty.
  remote_error(std::vector<exception> chain, std::string function, int pid);

  /// @returns the type of the exception: "std::runtime_error".
  const std::string& type() const noexcept { return parts_->chain.front().type; }
  /// @returns its what().
  const std::string& message() const noexcept { return parts_->chain.front().message; }
  /// @returns the name of the function, as the compiler writes it.
  const std::string& function() const noexcept { return parts_->function; }
  /// @returns the id of the process that it ran in.
  int pid() const noexcept { return parts_->pid; }
  /// @returns the exception and its causes (std::throw_with_nested), outermost first.
  const std::vector<exception>& chain() const noexcept { return parts_->chain; }

private:
  struct parts {
    std::vector<exception> chain;
    std::string function;
    int pid;
  };
  std::shared_ptr<const parts> parts_; // so that a copy, which a throw can make, does not throw
};

} // namespace coproc
