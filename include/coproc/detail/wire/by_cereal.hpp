#pragma once

#include <coproc/detail/wire/archive.hpp>

#include <cereal/access.hpp>
#include <cereal/types/memory.hpp>

#include <memory>
#include <new>
#include <type_traits>
#include <utility>

/// Classes that say themselves how they are written. Which of the ways a class has was found out by cereal's
/// traits.
namespace coproc::wire::impl {

#define COPROC_HAS(name, T, A)                                                                               \
  (cereal::traits::has_##name<T, A>::value &&                                                                \
   (cereal::traits::is_specialized_##name<T, A>::value || !cereal::traits::is_specialized<T, A>::value))

template <class T>
void call_save(output_archive& out, const T& value) {
  using A = output_archive;
  auto& changeable = const_cast<T&>(value); // serialize() is for both directions
  if constexpr (COPROC_HAS(member_serialize, T, A))
    cereal::access::member_serialize(out, changeable);
  else if constexpr (COPROC_HAS(member_save, T, A))
    cereal::access::member_save(out, value);
  else if constexpr (COPROC_HAS(member_save_minimal, T, A))
    out(cereal::access::member_save_minimal(out, value));
  else if constexpr (COPROC_HAS(non_member_serialize, T, A))
    serialize(out, changeable);
  else if constexpr (COPROC_HAS(non_member_save, T, A))
    save(out, value);
  else if constexpr (COPROC_HAS(non_member_save_minimal, T, A))
    out(save_minimal(out, value));
  else if constexpr (COPROC_HAS(member_versioned_serialize, T, A))
    cereal::access::member_serialize(out, changeable, out.template registerClassVersion<T>());
  else if constexpr (COPROC_HAS(member_versioned_save, T, A))
    cereal::access::member_save(out, value, out.template registerClassVersion<T>());
  else if constexpr (COPROC_HAS(member_versioned_save_minimal, T, A))
    out(cereal::access::member_save_minimal(out, value, out.template registerClassVersion<T>()));
  else if constexpr (COPROC_HAS(non_member_versioned_serialize, T, A))
    serialize(out, changeable, out.template registerClassVersion<T>());
  else if constexpr (COPROC_HAS(non_member_versioned_save, T, A))
    save(out, value, out.template registerClassVersion<T>());
  else
    out(save_minimal(out, value, out.template registerClassVersion<T>()));
}

template <class T>
void call_load(input_archive& in, T& value) {
  using A = input_archive;
  using O = output_archive;
  if constexpr (COPROC_HAS(member_serialize, T, A))
    cereal::access::member_serialize(in, value);
  else if constexpr (COPROC_HAS(member_load, T, A))
    cereal::access::member_load(in, value);
  else if constexpr (COPROC_HAS(member_load_minimal, T, A)) {
    typename cereal::traits::has_member_save_minimal<T, O>::type stored{};
    in(stored);
    cereal::access::member_load_minimal(in, value, stored);
  } else if constexpr (COPROC_HAS(non_member_serialize, T, A))
    serialize(in, value);
  else if constexpr (COPROC_HAS(non_member_load, T, A))
    load(in, value);
  else if constexpr (COPROC_HAS(non_member_load_minimal, T, A)) {
    typename cereal::traits::has_non_member_save_minimal<T, O>::type stored{};
    in(stored);
    load_minimal(in, value, stored);
  } else if constexpr (COPROC_HAS(member_versioned_serialize, T, A))
    cereal::access::member_serialize(in, value, in.template loadClassVersion<T>());
  else if constexpr (COPROC_HAS(member_versioned_load, T, A))
    cereal::access::member_load(in, value, in.template loadClassVersion<T>());
  else if constexpr (COPROC_HAS(member_versioned_load_minimal, T, A)) {
    const auto version = in.template loadClassVersion<T>();
    typename cereal::traits::has_member_versioned_save_minimal<T, O>::type stored{};
    in(stored);
    cereal::access::member_load_minimal(in, value, stored, version);
  } else if constexpr (COPROC_HAS(non_member_versioned_serialize, T, A))
    serialize(in, value, in.template loadClassVersion<T>());
  else if constexpr (COPROC_HAS(non_member_versioned_load, T, A))
    load(in, value, in.template loadClassVersion<T>());
  else {
    const auto version = in.template loadClassVersion<T>();
    typename cereal::traits::has_non_member_versioned_save_minimal<T, O>::type stored{};
    in(stored);
    load_minimal(in, value, stored, version);
  }
}

#undef COPROC_HAS

// Whatever a class does, it takes a byte: the length of a container of them can be checked.
template <class T>
void save_by_cereal(output_archive& out, const T& value) {
  const level deeper(out.state().depth);
  const std::size_t before = out.written();
  call_save(out, value);
  if (out.written() == before) out.write("", 1);
}

template <class Call>
void load_some(input_archive& in, const Call& call) {
  const level deeper(in.state().depth);
  const std::size_t before = in.left();
  call();
  if (in.left() == before) in.skip(1);
}

template <class T>
void load_by_cereal(input_archive& in, T& value) {
  load_some(in, [&] { call_load(in, value); });
}

/// Room for an object that its class constructs.
template <class T>
class unconstructed {
public:
  unconstructed() = default;
  unconstructed(const unconstructed&) = delete;
  ~unconstructed() {
    if (constructed_) std::destroy_at(get());
  }

  T* get() noexcept { return std::launder(reinterpret_cast<T*>(room_)); }
  void construct(input_archive& in) {
    cereal::memory_detail::LoadAndConstructLoadWrapper<input_archive, T> wrapper(reinterpret_cast<T*>(room_));
    // Should load_and_construct() throw when it has constructed, the object is left alone, as cereal does.
    load_some(in, [&] { wrapper.serialize(in); });
    static_cast<void>(wrapper.construct.ptr()); // throws if it did not construct
    constructed_ = true;
  }

private:
  alignas(T) std::byte room_[sizeof(T)];
  bool constructed_ = false;
};

template <class T>
T make_by_cereal(input_archive& in) {
  if constexpr (constructs_by_cereal<T>) {
    unconstructed<T> room;
    room.construct(in);
    return std::move(*room.get());
  } else if constexpr (std::is_default_constructible_v<T>) {
    T value = T();
    load_by_cereal(in, value);
    return value;
  } else {
    const std::unique_ptr<T> value(cereal::access::construct<T>()); // which may be private
    load_by_cereal(in, *value);
    return std::move(*value);
  }
}

} // namespace coproc::wire::impl
