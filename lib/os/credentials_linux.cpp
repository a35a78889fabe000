#include "os/credentials.hpp"

#include <endian.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace coproc::os {

namespace {

using capability_sets = __user_cap_data_struct[2];

/// None where the call is filtered.
void read_own_capabilities(void* sets) noexcept {
  __user_cap_header_struct version{_LINUX_CAPABILITY_VERSION_3, 0};
  ::syscall(SYS_capget, &version, sets);
}

bool gains_capabilities_by(const char* program) noexcept {
  vfs_ns_cap_data file{};
  if (::getxattr(program, "security.capability", &file, sizeof file) < 0) return false;
  capability_sets own{};
  read_own_capabilities(own);
  for (int number = 0; number != 64; ++number) {
    const int word = number / 32;
    const std::uint32_t bit = std::uint32_t(1) << (number % 32);
    const bool has = (own[word].permitted & bit) != 0;
    const bool offered = (le32toh(file.data[word].permitted) & bit) != 0 ||
                         (le32toh(file.data[word].inheritable) & own[word].inheritable & bit) != 0;
    if (!has && offered && ::prctl(PR_CAPBSET_READ, number) == 1) return true;
  }
  return false;
}

} // namespace

bool gains_rights_by(const std::string& program) noexcept {
  struct stat file;
  if (::stat(program.c_str(), &file) < 0) return false;
  if ((file.st_mode & S_ISUID) && file.st_uid != ::geteuid()) return true;
  // Without the right to execute, the bit means something else: stat(2), inode(7).
  constexpr mode_t for_group = S_ISGID | S_IXGRP;
  if ((file.st_mode & for_group) == for_group && file.st_gid != ::getegid()) return true;
  return gains_capabilities_by(program.c_str());
}

credentials own_credentials() {
  credentials result;
  ::getresuid(&result.users[0], &result.users[1], &result.users[2]);
  ::getresgid(&result.groups[0], &result.groups[1], &result.groups[2]);
  const auto resize = [&groups = result.supplementary](int count) {
    groups.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  };
  resize(::getgroups(0, nullptr));
  resize(::getgroups(static_cast<int>(result.supplementary.size()), result.supplementary.data()));
  static_assert(sizeof result.capabilities == sizeof(capability_sets));
  read_own_capabilities(result.capabilities);
  return result;
}

} // namespace coproc::os
