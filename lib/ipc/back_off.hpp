#pragma once

#include <algorithm>
#include <chrono>
#include <utility>

namespace coproc::detail {

/// How long a sender waits before it tries again, if nothing tells when: twice as long from time to time.
class back_off {
public:
  std::chrono::milliseconds next() noexcept { return std::exchange(pause_, std::min(2 * pause_, longest)); }

private:
  static constexpr std::chrono::milliseconds longest{32};
  std::chrono::milliseconds pause_{1};
};

} // namespace coproc::detail
