#pragma once

#include <coproc/detail/message.hpp>
#include <coproc/detail/shared_queue_core.hpp>
#include <coproc/wire.hpp>

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace coproc::detail {

/// How the items of a shared queue are laid out.
enum class item_form {
  flat,    ///< As plain memory.
  block,   ///< A string, or a vector of flat elements: their memory, its length being that of the item.
  encoded, ///< As for any other way.
};

template <class T>
inline constexpr bool is_block = false;
template <class C>
inline constexpr bool is_block<std::basic_string<C>> = wire::is_flat<C>;
template <class E>
inline constexpr bool is_block<std::vector<E>> = wire::impl::takes_any_bytes<E>();
template <>
inline constexpr bool is_block<std::vector<bool>> = false;

template <class T>
inline constexpr item_form form_of = wire::is_flat<T> ? item_form::flat
                                     : is_block<T>    ? item_form::block
                                                      : item_form::encoded;

/// Refers to an item that is to be put.
template <class T>
class source_of final : public item_source {
public:
  explicit source_of(const T& item) : item_(item) {}

  std::span<const std::byte> bytes([[maybe_unused]] message& scratch) override {
    if constexpr (form_of<T> == item_form::flat)
      return std::as_bytes(std::span<const T, 1>(std::addressof(item_), 1));
    else if constexpr (form_of<T> == item_form::block)
      return std::as_bytes(std::span(item_.data(), item_.size()));
    else {
      wire::encode(scratch, item_);
      if (scratch.descriptor_count() != 0) throw std::logic_error("shared_queue: an item holds a handle");
      return scratch.bytes();
    }
  }

private:
  const T& item_;
};

/// A copy of bytes.
class plain_copy {
public:
  void take(std::span<const std::byte> bytes) {
    data_ = std::make_unique_for_overwrite<std::byte[]>(bytes.size());
    size_ = bytes.size();
    if (size_ != 0) std::memcpy(data_.get(), bytes.data(), size_);
  }
  std::span<const std::byte> bytes() const { return {data_.get(), size_}; }

private:
  std::unique_ptr<std::byte[]> data_;
  std::size_t size_ = 0;
};

/// Takes an item that is got.
template <class T, item_form = form_of<T>>
class sink_of final : public item_sink {
public:
  void take(std::span<const std::byte> bytes) override { copy_.take(bytes); }
  /// @returns the item. @throws wire::error if what came is none.
  T value() {
    std::span<const std::byte> rest = copy_.bytes();
    T item = wire::decode<T>(rest, nullptr);
    if (!rest.empty()) wire::impl::throw_left_over(rest.size());
    return item;
  }

private:
  plain_copy copy_;
};

template <class T>
class sink_of<T, item_form::flat> final : public item_sink {
public:
  void take(std::span<const std::byte> bytes) override {
    size_ = bytes.size();
    if (size_ == sizeof(T))
      std::memcpy(item_, bytes.data(), sizeof(T));
    else
      other_.take(bytes);
  }
  T value() {
    std::span<const std::byte> rest = size_ == sizeof(T) ? std::span<const std::byte>(item_) : other_.bytes();
    T item = wire::decode<T>(rest, nullptr);
    if (!rest.empty()) wire::impl::throw_left_over(rest.size());
    return item;
  }

private:
  std::byte item_[sizeof(T)];
  std::size_t size_ = 0;
  plain_copy other_; // of another type's items
};

template <class T>
class sink_of<T, item_form::block> final : public item_sink {
  using element = typename T::value_type;

public:
  void take(std::span<const std::byte> bytes) override {
    left_over_ = bytes.size() % sizeof(element);
    const std::size_t count = bytes.size() / sizeof(element);
    if constexpr (alignof(element) <= item_alignment) {
      // Straight from there: to clear the memory first, as resize() does, would take as long as to fill it.
      const auto* first = reinterpret_cast<const element*>(bytes.data());
      item_.assign(first, first + count);
    } else {
      item_.resize(count);
      if (count != 0) std::memcpy(item_.data(), bytes.data(), count * sizeof(element));
    }
  }
  T value() {
    if (left_over_) wire::impl::throw_left_over(left_over_);
    return std::move(item_);
  }

private:
  T item_;
  std::size_t left_over_ = 0;
};

/// Closes those that are not -1.
void close_all(const shared_queue_core::descriptors& descriptors) noexcept;

} // namespace coproc::detail
