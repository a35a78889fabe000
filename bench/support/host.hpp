#pragma once

#include "contest.hpp"
#include "placement.hpp"

#include <cstddef>
#include <optional>
#include <vector>

namespace bench {

/// Makes the host of a contestant as large as `where` says, and undoes it: this process, or the contestant's
/// own.
class host_guard {
public:
  host_guard(const contestant& who, const host& where);
  ~host_guard();
  host_guard(const host_guard&) = delete;
  host_guard& operator=(const host_guard&) = delete;

private:
  const contestant& who_;
  std::optional<one_cpu> placement_;
  void* ballast_ = nullptr;
  std::size_t size_ = 0;
  std::vector<int> descriptors_;
};

} // namespace bench
