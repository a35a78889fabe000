#pragma once

#include <coproc/detail/message.hpp>
#include <coproc/detail/wire/standard.hpp>
#include <coproc/wire_error.hpp>

#include <cstddef>
#include <exception>
#include <span>
#include <string>
#include <type_traits>

/// How values cross to another process. The library does it for arguments, results and items of queues; a
/// program needs no more of this than crossable, check() and, in functions of cereal, the archives.
///
/// What can cross: arithmetic types, enums, the containers of the standard library (not its adaptors, queue,
/// stack and priority_queue; comparators and hashes have to be classes without a state, and the receiver
/// makes its own), std::string, optional, variant, tuple, pair, array, complex, bitset, filesystem::path, of
/// chrono durations, time points, year, month, day, weekday and year_month_day; unique_ptr and shared_ptr to
/// these (each shared_ptr becomes one to an object of its own; a cycle is an error); aggregates of these with
/// up to 100 fields, without a base or a C array, as they are; any class with functions of cereal (serialize,
/// load and save, load_minimal and save_minimal, load_and_construct; member or not); and handles. A class
/// whose function is for its base gets it by cereal::base_class. A size (cereal::make_size_tag) is one of
/// elements that take a byte or more each: where several are packed into a byte, write the number as a
/// number.
///
/// Both ends are the same program on the same machine, so numbers are written as they are in memory. What is
/// read is checked all the same: the bytes of a process that went wrong are an error, and never undefined
/// behaviour. (Enums without a fixed underlying type are taken as they come.) What is made of n bytes takes
/// at most n times the size of the largest element type, or of its node in the container; a vector that
/// grows, three times that.
namespace coproc::wire {

/// Whether values of T are copied as plain memory: arithmetic types and enums, and std::arrays, chrono types
/// and aggregates of those. Contiguous containers of them cross as one block.
template <class T>
inline constexpr bool is_flat = impl::flat<std::remove_cv_t<T>>();

/// A T can go to another process. check() says why not.
template <class T>
concept crossable = impl::can_cross<impl::handles::allowed, T>();

/// A T can go to another process, and there is no handle in it (as far as can be seen: a class with a cereal
/// function is not looked into).
template <class T>
concept crossable_without_handles = impl::can_cross<impl::handles::refused, T>();

/// Compiles if T is crossable. If it is not, the error says what keeps it, what to do about it, and where in
/// T it is.
template <class T>
consteval void check() {
  impl::check_type<T>();
}

/// Adds @p value at the end of @p out.
/// @throws wire::error if it is nested too deeply (1000 levels, or less where the stack ends before), which a
/// cycle of shared_ptrs is, too; if it is an object of a derived class behind a pointer to its base;
/// std::bad_alloc, or std::system_error if there is no room in shared memory. @p out holds a part of it then.
template <class T>
void encode(coproc::detail::message& out, const T& value) {
  check<T>();
  if constexpr (crossable<T>) {
    output_archive archive(out);
    impl::save_value(archive, value);
  }
}

namespace impl {

/// Lets the result of decode() be made in its place: it may be something that can't be moved.
class advance_when_read {
public:
  advance_when_read(const input_archive& archive, std::span<const std::byte>& bytes)
      : archive_(archive), bytes_(bytes), exceptions_(std::uncaught_exceptions()) {}
  advance_when_read(const advance_when_read&) = delete;
  ~advance_when_read() {
    if (std::uncaught_exceptions() == exceptions_) bytes_ = bytes_.last(archive_.left());
  }

private:
  const input_archive& archive_;
  std::span<const std::byte>& bytes_;
  int exceptions_;
};

} // namespace impl

/// Takes a T from the front of @p bytes; its descriptors from @p descriptors, null if there are none.
/// @throws wire::error if the bytes are not those of a T; @p bytes is as before then. std::bad_alloc, and
/// what the constructors throw.
template <class T>
T decode(std::span<const std::byte>& bytes, coproc::detail::message* descriptors) {
  check<T>();
  input_archive archive(bytes, descriptors);
  const impl::advance_when_read advance(archive, bytes);
  try {
    return impl::make_value<T>(archive);
  } catch (const cereal::Exception& found) { // by a function of cereal's
    throw error(std::string("wire: ") + found.what());
  }
}

/// @returns the T that @p whole holds. @throws as above, also if there is more than a T in it.
template <class T>
T decode(coproc::detail::message& whole) {
  std::span<const std::byte> bytes = whole.bytes();
  T value = decode<T>(bytes, &whole);
  if (!bytes.empty()) impl::throw_left_over(bytes.size());
  return value;
}

} // namespace coproc::wire
