#pragma once

#include "os/fd.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace coproc::os {

enum class output_mode { truncate, append };

// All of these throw std::system_error, with what() beginning with @p blame and naming the file. A FIFO is
// refused (std::errc::invalid_argument), as opening one waits for its other end, fifo(7). Close-on-exec.

unique_fd open_input(const std::string& path, const std::string& blame);
unique_fd open_output(const std::string& path, output_mode mode, const std::string& blame);
unique_fd open_null(bool for_reading, const std::string& blame);
/// @throws std::system_error if @p fd is not open.
void require_open(int fd, const std::string& blame);

/// @returns whether two descriptors are open on one regular file.
bool same_file(int a, int b) noexcept;

/// @returns whether it is a descriptor.
bool is_open(int fd) noexcept;

/// The working directory as a place, wherever it is moved, and even if it was removed (O_PATH, open(2)).
/// @throws std::system_error whose what() begins with @p blame.
unique_fd open_working_directory(const std::string& blame);
/// Which directory is the working directory: two that are equal are the same one, as long as somebody stays
/// in it, who keeps its number from being used again.
struct directory_id {
  std::uint64_t device = 0, number = 0, mount = 0;
  bool operator==(const directory_id&) const = default;
};
/// @returns nullopt if the kernel can't tell (statx(2), STATX_MNT_ID of Linux 5.8).
std::optional<directory_id> working_directory_id() noexcept;
/// Makes such a place the working directory. @returns whether that was possible; errno says why
/// not.
bool enter_directory(int directory) noexcept;

} // namespace coproc::os
