#pragma once

#include "pool/link_layout.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace coproc::detail {

/// The arguments of each item of a unit, found without decoding any: what can't be decoded, or kills its
/// worker when it is, is the misfortune of that item alone.
class item_arguments {
public:
  /// @p bytes are those of all items of the unit's owner.
  item_arguments(std::span<const std::byte> bytes, const task_entry& entry)
      : rest_(bytes), each_(entry.item_size), sized_((entry.flags & task_entry::sized) != 0) {
    if (sized_) {
      std::uint64_t items = 0;
      std::memcpy(&items, bytes.last(sizeof items).data(), sizeof items);
      sizes_ = bytes.last((items + 1) * sizeof items);
    }
    for (std::uint32_t passed = 0; passed != entry.first; ++passed) (void)next();
  }

  std::span<const std::byte> next() {
    std::uint64_t size = each_ != 0 ? each_ : rest_.size();
    if (sized_) {
      std::memcpy(&size, sizes_.data(), sizeof size);
      sizes_ = sizes_.subspan(sizeof size);
    }
    const auto item = rest_.first(size);
    rest_ = rest_.subspan(size);
    return item;
  }

private:
  std::span<const std::byte> rest_, sizes_;
  const std::uint32_t each_; // 0: it is the only one, or sizes_ says
  const bool sized_;
};

} // namespace coproc::detail
