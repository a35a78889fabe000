#pragma once

#include <cstddef>

namespace coproc::os {

/// @returns how much memory of this process is resident now; 0 if that can't be told.
std::size_t resident_bytes() noexcept;

} // namespace coproc::os
