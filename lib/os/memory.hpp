#pragma once

#include <cstddef>

namespace coproc::os {

/// Says of large new memory that it will be filled: with pages of 2 MiB (madvise(2), MADV_HUGEPAGE) that
/// takes a fraction of the page faults. A hint, without effect where it is not understood.
void expect_to_be_filled(void* memory, std::size_t size) noexcept;

} // namespace coproc::os
