#pragma once

/// The version of these headers: major * 10000 + minor * 100 + patch.
#define COPROC_VERSION 100

namespace coproc {

/// @returns the version of the library that is linked, like COPROC_VERSION.
int version() noexcept;

} // namespace coproc
