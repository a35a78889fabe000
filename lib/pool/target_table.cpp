#include "pool/target_table.hpp"

#include "os/code_address.hpp"

#include <utility>

namespace coproc::detail {

std::uint32_t target_table::number_of(const pool_target& target) {
  if (auto known = numbers_.find(target.entry); known != numbers_.end()) return known->second;
  os::code_address code = os::address_of(reinterpret_cast<const void*>(target.entry));
  entry made;
  made.name = target.name();
  made.module_id = std::move(code.module_id);
  made.module_path = std::move(code.module_path);
  made.offset = code.offset;
  const auto number = static_cast<std::uint32_t>(entries_.size());
  entries_.push_back(std::move(made));
  numbers_.emplace(target.entry, number);
  return number;
}

} // namespace coproc::detail
