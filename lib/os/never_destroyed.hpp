#pragma once

#include <new>
#include <type_traits>

namespace coproc::os {

/// Holds a T for ever: what uses it can come as late as static destructors. For a static variable; unlike a
/// T from `new`, it needs no memory that might not be there.
template <class T>
class never_destroyed {
public:
  never_destroyed() noexcept {
    static_assert(std::is_nothrow_default_constructible_v<T>);
    ::new (static_cast<void*>(memory_)) T;
  }
  never_destroyed(const never_destroyed&) = delete;

  T& operator*() noexcept { return *std::launder(reinterpret_cast<T*>(memory_)); }

private:
  alignas(T) unsigned char memory_[sizeof(T)];
};

} // namespace coproc::os
