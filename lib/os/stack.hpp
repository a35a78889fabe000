#pragma once

#include <cstdint>

namespace coproc::os {

/// @returns the lowest address of this thread's stack; 0 if @p at is on another one (a fiber's), or if the
/// system does not say.
std::uintptr_t end_of_stack(std::uintptr_t at) noexcept;

} // namespace coproc::os
