#include "os/credentials.hpp"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace coproc::os {

credentials own_credentials() {
  credentials result;
  ::getresuid(&result.users[0], &result.users[1], &result.users[2]);
  ::getresgid(&result.groups[0], &result.groups[1], &result.groups[2]);
  const auto resize = [&groups = result.supplementary](int count) {
    groups.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  };
  resize(::getgroups(0, nullptr));
  resize(::getgroups(static_cast<int>(result.supplementary.size()), result.supplementary.data()));
  __user_cap_header_struct version{_LINUX_CAPABILITY_VERSION_3, 0};
  static_assert(sizeof result.capabilities == 2 * sizeof(__user_cap_data_struct));
  ::syscall(SYS_capget, &version, result.capabilities); // if it is filtered: none, before and after
  return result;
}

} // namespace coproc::os
