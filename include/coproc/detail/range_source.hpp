#pragma once

#include <coproc/detail/pool_core.hpp>
#include <coproc/detail/pool_target.hpp>
#include <coproc/wire.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace coproc::detail {

/// How the elements of a range become arguments.
enum class spread {
  one, ///< Each is the argument.
  all  ///< Each is a tuple of the arguments.
};

/// Reads items from a range: an lvalue is referenced, anything else is moved into it.
template <auto Fn, spread How, class Range>
class range_source final : public map_source {
  using kept_range = std::conditional_t<std::is_lvalue_reference_v<Range>, std::remove_reference_t<Range>*,
                                        std::remove_cvref_t<Range>>;
  using range_type = std::remove_reference_t<Range>;
  using runner = pool_runner<Fn>;
  using reference = std::ranges::range_reference_t<range_type>;

  template <class Tuple>
  struct tuple_check {
    static consteval void check() {
      static_assert(sizeof(Tuple) == 0, "pool: the elements of starmap()'s range have to be tuples or pairs");
    }
  };
  template <template <class...> class Tuple, class... E>
  struct tuple_check<Tuple<E...>> {
    static consteval void check() { runner::template check<const E&...>(); }
  };

  /// Elements that follow each other in memory, and are copied as they are.
  static constexpr bool in_one_block = [] {
    if constexpr (How == spread::one && runner::arity == 1 && std::ranges::contiguous_range<range_type> &&
                  std::sized_sentinel_for<std::ranges::sentinel_t<range_type>,
                                          std::ranges::iterator_t<range_type>>) {
      using parameter = std::decay_t<std::tuple_element_t<0, typename target_traits<Fn>::parameters>>;
      return std::is_same_v<parameter, std::ranges::range_value_t<range_type>> && wire::is_flat<parameter>;
    } else {
      return false;
    }
  }();

  /// Of several items. One message takes more; but the next item is not known before it is in it.
  static constexpr std::size_t most_descriptors = 64;

public:
  static consteval void check() {
    if constexpr (How == spread::one)
      runner::template check<reference>();
    else
      tuple_check<std::remove_cvref_t<reference>>::check();
  }

  explicit range_source(Range&& range) : range_(keep(std::forward<Range>(range))) {
    if constexpr (std::ranges::sized_range<range_type>) total_ = std::ranges::size(whole());
  }

  std::uint32_t fill(message& to, std::uint32_t most, std::size_t bytes) override {
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
    if (ended_) return 0;
    std::uint32_t count = 0;
    sizes_.clear();
    try {
      if (!at_) at_.emplace(std::ranges::begin(whole()));
      const auto end = std::ranges::end(whole());
      if constexpr (in_one_block) {
        using value = std::ranges::range_value_t<range_type>;
        const auto left = static_cast<std::size_t>(end - *at_);
        const std::size_t fits = bytes / sizeof(value) != 0 ? bytes / sizeof(value) : 1;
        count = static_cast<std::uint32_t>(left < most ? left : most);
        if (fits < count) count = static_cast<std::uint32_t>(fits);
        if (count != 0) to.append(std::to_address(*at_), count * sizeof(value));
        *at_ += static_cast<std::iter_difference_t<std::ranges::iterator_t<range_type>>>(count);
      } else {
        const auto has_room = [&] { return to.size() < bytes && to.descriptor_count() < most_descriptors; };
        for (; count != most && (count == 0 || has_room()) && *at_ != end; ++*at_) {
          const std::size_t before = to.size();
          add(to, **at_);
          if constexpr (runner::layout().sized) sizes_.push_back(to.size() - before);
          ++count; // before the iterator moves on, which can throw
        }
      }
      ended_ = *at_ == end;
    } catch (...) {
      ended_ = true;
      if (count == 0) throw;
      error_ = std::current_exception();
    }
    if (runner::layout().sized && count != 0) {
      sizes_.push_back(count);
      to.append(sizes_.data(), sizes_.size() * sizeof sizes_[0]);
    }
    return count;
  }

  item_layout layout() const override { return runner::layout(); }

  std::optional<std::size_t> total() const override { return total_; }

private:
  static kept_range keep(Range&& range) {
    if constexpr (std::is_lvalue_reference_v<Range>)
      return std::addressof(range);
    else
      return std::forward<Range>(range);
  }
  range_type& whole() {
    if constexpr (std::is_lvalue_reference_v<Range>)
      return *range_;
    else
      return range_;
  }

  template <class Element>
  static void add(message& to, Element&& element) {
    if constexpr (How == spread::one)
      runner::encode(to, std::forward<Element>(element));
    else
      std::apply([&](auto&&... each) { runner::encode(to, std::forward<decltype(each)>(each)...); },
                 std::forward<Element>(element));
  }

  kept_range range_;
  std::optional<std::ranges::iterator_t<range_type>> at_;
  std::optional<std::size_t> total_;
  std::exception_ptr error_; // to be thrown when more is asked for
  std::vector<std::uint64_t> sizes_;
  bool ended_ = false;
};

template <auto Fn, spread How, class Range>
std::unique_ptr<map_source> make_source(Range&& range) {
  static_assert(std::ranges::input_range<Range>, "pool: map and its like take a range");
  using source = range_source<Fn, How, Range>;
  source::check();
  return std::make_unique<source>(std::forward<Range>(range));
}

} // namespace coproc::detail
