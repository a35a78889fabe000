#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace coproc::os {

/// Where a function is, in terms that hold in every process that runs the same file.
struct code_address {
  std::string module_id;   ///< The build id of the executable or library; else a digest of its code.
  std::string module_path; ///< For messages.
  std::uint64_t offset = 0;
};

/// @throws std::invalid_argument if it belongs to no loaded module (code made at run time, say).
code_address address_of(const void* function);

/// @returns the function in this process; null if no loaded module has the id, or the offset is not in its
/// code.
const void* find_code(std::string_view module_id, std::uint64_t offset) noexcept;

} // namespace coproc::os
