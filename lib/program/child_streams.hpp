#pragma once

#include <coproc/stdio.hpp>

#include "os/host_fd.hpp"
#include "os/launch.hpp"
#include "program/child_state.hpp"

#include <asio/any_io_executor.hpp>

#include <string>
#include <vector>

namespace coproc::detail {

/// A child's three standard streams while it is being started: what it gets, and what the host keeps.
class child_streams {
public:
  /// @param blame begins the text of every error: "spawn 'gzip': ".
  explicit child_streams(std::string blame) : blame_(std::move(blame)) { plan_.reserve(3); }

  /// To be called in the order 0, 1, 2; stdio::merge() refers to what comes before.
  void set_up_in(const stdio& in);
  void set_up_out(int number, const stdio& stream);
  void use(int number, int descriptor) { plan_.push_back({descriptor, number}); }

  /// @returns which of the host's descriptors the child gets; they are open for as long as this object lives.
  const std::vector<os::redirect>& plan() const noexcept { return plan_; }

  /// Gives the host's ends to @p state. @param in as in set_up_in().
  void hand_over(child_state& state, const asio::any_io_executor& executor, const stdio& in);

private:
  void set_up_simple(int number, const stdio& stream);
  void give(int number, os::unique_fd fd);

  std::string blame_;
  std::vector<os::redirect> plan_;
  os::unique_fd host_[3];
  os::host_fd owned_[3]; // on their way: a start can wait meanwhile
};

} // namespace coproc::detail
