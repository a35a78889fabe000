#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace coproc::os {

// What the calling process can tell of itself.

int own_id() noexcept;
int parent_id() noexcept;

/// @returns what it was executed with, proc(5); nothing if that can't be told.
std::vector<std::string> own_arguments();

/// @returns the path by which it can be executed once more: the very file, whatever has become of its name.
std::string own_program();

/// @returns whether its environment variables are @p variables, "NAME=value", in this order. Not to be called
/// while another thread changes them, setenv(3).
bool is_environment(const std::vector<std::string>& variables) noexcept;

/// Shows @p name in the process list; its first 15 bytes, PR_SET_NAME of prctl(2).
void show_name(const std::string& name) noexcept;

/// @returns whether it has one thread only (proc(5), /proc/self/task), but for those of a sanitizer.
bool is_single_threaded() noexcept;

/// @returns its umask. A program with more than one thread would see umask(2) change it for a moment, and so
/// is not asked by that. @throws std::system_error: there is no descriptor left to ask with.
unsigned current_umask(const std::string& blame);
void set_umask(unsigned mask) noexcept;

/// @returns how much memory of it is resident now; 0 if that can't be told.
std::size_t resident_bytes() noexcept;

} // namespace coproc::os
