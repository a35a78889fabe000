#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

namespace coproc::os {

/// What a process may do: its users, its groups and its capabilities (credentials(7), capabilities(7)).
struct credentials {
  uid_t users[3] = {};  // real, effective, saved
  gid_t groups[3] = {}; // the same
  std::vector<gid_t> supplementary;
  std::uint32_t capabilities[6] = {}; // as capget(2) gives them
  bool operator==(const credentials&) const = default;
};

/// @returns those of the calling thread. (Users and groups are alike in all threads, capabilities each
/// thread's own.)
credentials own_credentials();

/// @returns whether this process would get rights by executing @p program that it does not have: one with a
/// set-user-ID, a set-group-ID or capabilities, in a process that has given up what it got by them
/// (execve(2), capabilities(7)).
bool gains_rights_by(const std::string& program) noexcept;

} // namespace coproc::os
