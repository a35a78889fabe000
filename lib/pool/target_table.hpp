#pragma once

#include <coproc/detail/pool_target.hpp>

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace coproc::detail {

/// The functions that a pool was asked to run, by the numbers by which its policy and its workers know them.
class target_table {
public:
  struct entry {
    std::string name;
    // Where its code is: a worker finds it by that. See os::code_address.
    std::string module_id, module_path;
    std::uint64_t offset = 0;
  };

  std::uint32_t number_of(const pool_target& target);
  const entry& operator[](std::uint32_t number) const { return entries_[number]; }

private:
  std::vector<entry> entries_;
  std::unordered_map<pool_entry, std::uint32_t> numbers_;
};

} // namespace coproc::detail
