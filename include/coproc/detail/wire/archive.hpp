#pragma once

#include <coproc/detail/message.hpp>
#include <coproc/detail/wire/check.hpp>
#include <coproc/wire_error.hpp>

#include <cereal/cereal.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <typeindex>
#include <utility>
#include <vector>

namespace coproc::wire {

namespace impl {

/// Values that hold each other more deeply than this are refused by both sides: each level takes stack.
inline constexpr int max_depth = 1000;

/// What is left of the thread's stack; where it ends is asked only once much of it has been used.
struct stack_room {
  stack_room() : low(here() - std::min(here(), unasked)) {}

  static std::uintptr_t here() noexcept {
    return reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  }

  static constexpr std::uintptr_t unasked = 32 << 10; ///< Any stack has so much.
  std::uintptr_t low;                                 ///< The stack is not to be used below this.
  bool known = false;
};

[[noreturn]] void throw_too_deep();
/// @throws error if there is no room for @p size bytes below @p at.
void look_at_stack(stack_room& room, std::uintptr_t at, std::size_t size);
[[noreturn]] void throw_left_over(std::size_t left);
[[noreturn]] void throw_truncated(std::size_t needed, std::size_t left);
[[noreturn]] void throw_bad_length(std::uint64_t count, std::size_t min_size, std::size_t left);
/// @p what is what was expected, @p found what is there in its place.
[[noreturn]] void throw_unexpected(const char* what, std::uint64_t found);

template <class T>
void save_value(output_archive& out, const T& value);
template <class T>
void load_value(input_archive& in, T& value);
template <class T>
T make_value(input_archive& in);

template <class T>
void save_base_by_cereal(output_archive& out, const T& base);
template <class T>
void load_base_by_cereal(input_archive& in, T& base);

template <class T>
inline constexpr bool is_pair_of_name = false;
template <class T>
inline constexpr bool is_pair_of_name<cereal::NameValuePair<T>> = true;
template <class T>
inline constexpr bool is_size = false;
template <class T>
inline constexpr bool is_size<cereal::SizeTag<T>> = true;
template <class T>
inline constexpr bool is_binary = false;
template <class T>
inline constexpr bool is_binary<cereal::BinaryData<T>> = true;
template <class T>
inline constexpr bool is_item = false;
template <class K, class V>
inline constexpr bool is_item<cereal::MapItem<K, V>> = true;
template <class T>
inline constexpr bool is_deferred = std::is_base_of_v<cereal::detail::DeferredDataCore, T>;
template <class T>
inline constexpr bool is_base = false;
template <class T>
inline constexpr bool is_base<cereal::base_class<T>> = true;
template <class T>
inline constexpr bool is_virtual_base = false;
template <class T>
inline constexpr bool is_virtual_base<cereal::virtual_base_class<T>> = true;

/// What both archives remember.
class archive_state {
public:
  int depth = 0;
  stack_room stack;

  /// @returns whether this is the first time, for bases that several classes share.
  bool first_visit(const void* object, std::type_index type) {
    for (const auto& known : visited_)
      if (known.first == object && known.second == type) return false;
    visited_.emplace_back(object, type);
    return true;
  }

private:
  friend class visits;
  std::vector<std::pair<const void*, std::type_index>> visited_;
};

/// One level of values that hold each other.
class level {
public:
  /// @param size what it keeps on the stack, at least.
  explicit level(archive_state& state, std::size_t size = 0) : state_(state) {
    if (state_.depth >= max_depth) throw_too_deep();
    const std::uintptr_t at = stack_room::here();
    if (at < state_.stack.low + size) look_at_stack(state_.stack, at, size);
    ++state_.depth;
  }
  level(const level&) = delete;
  ~level() { --state_.depth; }

private:
  archive_state& state_;
};

/// The visits of one object: the next one may be made at the same address.
class visits {
public:
  explicit visits(archive_state& state) : state_(state), before_(state.visited_.size()) {}
  visits(const visits&) = delete;
  ~visits() {
    const auto first = state_.visited_.begin() + static_cast<std::ptrdiff_t>(before_);
    state_.visited_.erase(first, state_.visited_.end());
  }

private:
  archive_state& state_;
  std::size_t before_;
};

} // namespace impl

/// The archive that cereal functions of classes are called with to write an object: `archive(a, b, c)`. It
/// writes what encode() writes. (Deriving from a template of cereal's makes the functions of cereal/types/...
/// be found.)
class output_archive : cereal::LoadAndConstruct<output_archive> {
public:
  using is_saving = std::true_type;
  using is_loading = std::false_type;

  /// Adds to @p message, which has to outlive it.
  explicit output_archive(coproc::detail::message& message) : message_(message) {}
  output_archive(const output_archive&) = delete;

  template <class... T>
  output_archive& operator()(T&&... values) {
    (process(values), ...);
    return *this;
  }
  template <class T>
  output_archive& operator&(T&& value) {
    return (*this)(value);
  }
  template <class T>
  output_archive& operator<<(T&& value) {
    return (*this)(value);
  }
  void serializeDeferments() {} // nothing is put off

  /// Adds bytes as they are.
  void write(const void* data, std::size_t size) { message_.append(data, size); }
  /// Lets a descriptor cross, which is owned by the message from here on, even if this throws.
  /// input_archive::take() returns its double.
  void attach(int descriptor) { write_index(message_.attach(descriptor)); }
  /// The same with one that stays @p owner's, who lives for as long as the message.
  void lend(int descriptor, std::shared_ptr<const void> owner) {
    write_index(message_.lend(descriptor, std::move(owner)));
  }

  template <class T>
  std::uint32_t registerClassVersion() {
    const std::uint32_t version = cereal::detail::Version<T>::version;
    write(&version, sizeof version);
    return version;
  }

  impl::archive_state& state() noexcept { return state_; }
  std::size_t written() const noexcept { return message_.size(); }

private:
  void write_index(std::size_t of_descriptor) {
    const auto index = static_cast<std::uint32_t>(of_descriptor);
    write(&index, sizeof index);
  }
  template <class T>
  void process(const T& value) {
    using namespace impl;
    if constexpr (is_pair_of_name<T> || is_deferred<T>)
      process(value.value);
    else if constexpr (is_size<T>)
      process(static_cast<std::uint64_t>(value.size));
    else if constexpr (is_binary<T>)
      write(value.data, value.size);
    else if constexpr (is_item<T>)
      (*this)(value.key, value.value);
    else if constexpr (impl::is_base<T>)
      process_base(*value.base_ptr);
    else if constexpr (is_virtual_base<T>) {
      if (state_.first_visit(value.base_ptr, typeid(*value.base_ptr))) process_base(*value.base_ptr);
    } else if constexpr (std::is_array_v<T> && flat<std::remove_cv_t<std::remove_all_extents_t<T>>>())
      write(value, sizeof value);
    else if constexpr (std::is_array_v<T>)
      for (const auto& each : value) process(each);
    else {
      check_type<std::remove_cv_t<T>>();
      impl::save_value<std::remove_cv_t<T>>(*this, value);
    }
  }
  template <class T>
  void process_base(const T& base) {
    if constexpr (impl::kind_of<T>() == impl::kind::cereal)
      impl::save_base_by_cereal(*this, base); // it may be abstract, or have no constructor
    else
      process(base);
  }

  coproc::detail::message& message_;
  impl::archive_state state_;
};

/// The archive that cereal functions of classes are called with to read an object. Whatever the bytes are, it
/// either reads a value of the type or throws wire::error.
class input_archive : cereal::LoadAndConstruct<input_archive> {
public:
  using is_saving = std::false_type;
  using is_loading = std::true_type;

  /// Reads from the front of @p bytes, and descriptors from @p descriptors (null: there are none); both have
  /// to outlive it.
  explicit input_archive(std::span<const std::byte> bytes, coproc::detail::message* descriptors = nullptr)
      : at_(bytes.data()), left_(bytes.size()), descriptors_(descriptors) {}
  input_archive(const input_archive&) = delete;

  template <class... T>
  input_archive& operator()(T&&... values) {
    (process(values), ...);
    return *this;
  }
  template <class T>
  input_archive& operator&(T&& value) {
    return (*this)(value);
  }
  template <class T>
  input_archive& operator>>(T&& value) {
    return (*this)(value);
  }
  void serializeDeferments() {}

  void read(void* data, std::size_t size) {
    const std::byte* from = skip(size);
    if (size != 0) std::memcpy(data, from, size);
  }
  /// @returns where @p size bytes are that count as read. @throws wire::error if there are fewer.
  const std::byte* skip(std::size_t size) {
    if (size > left_) impl::throw_truncated(size, left_);
    left_ -= size;
    return std::exchange(at_, at_ + size);
  }
  std::size_t left() const noexcept { return left_; }
  /// @returns a length of elements that take at least @p min_size bytes each: so many can be there.
  /// @throws wire::error otherwise.
  std::size_t read_length(std::size_t min_size) {
    std::uint64_t count = 0;
    read(&count, sizeof count);
    if (count > left_ / min_size) impl::throw_bad_length(count, min_size, left_);
    return static_cast<std::size_t>(count);
  }
  /// @returns the descriptor that output_archive::attach() or lend() was called for at this place; the caller
  /// owns it.
  int take() {
    std::uint32_t index = 0;
    read(&index, sizeof index);
    const int descriptor = descriptors_ ? descriptors_->take(index) : -1;
    if (descriptor < 0) impl::throw_unexpected("the number of a descriptor that came along", index);
    return descriptor;
  }

  template <class T>
  std::uint32_t loadClassVersion() {
    std::uint32_t version = 0;
    read(&version, sizeof version);
    return version;
  }

  impl::archive_state& state() noexcept { return state_; }

private:
  template <class T>
  void process(T& value) {
    using namespace impl;
    using type = std::remove_cv_t<T>;
    if constexpr (is_pair_of_name<type> || is_deferred<type>)
      process(value.value);
    else if constexpr (is_size<type>)
      // For the functions of cereal, which make room for so many elements before they read them.
      value.size = static_cast<std::remove_reference_t<decltype(value.size)>>(read_length(1));
    else if constexpr (is_binary<type>)
      read(value.data, value.size);
    else if constexpr (is_item<type>)
      (*this)(value.key, value.value);
    else if constexpr (impl::is_base<type>)
      process_base(*value.base_ptr);
    else if constexpr (is_virtual_base<type>) {
      if (state_.first_visit(value.base_ptr, typeid(*value.base_ptr))) process_base(*value.base_ptr);
    } else if constexpr (std::is_array_v<type>)
      for (auto& each : value) process(each);
    else {
      check_type<type>();
      impl::load_value(*this, value);
    }
  }
  template <class T>
  void process_base(T& base) {
    if constexpr (impl::kind_of<T>() == impl::kind::cereal)
      impl::load_base_by_cereal(*this, base);
    else
      process(base);
  }

  const std::byte* at_;
  std::size_t left_;
  coproc::detail::message* descriptors_;
  impl::archive_state state_;
};

} // namespace coproc::wire

CEREAL_SETUP_ARCHIVE_TRAITS(coproc::wire::input_archive, coproc::wire::output_archive)
