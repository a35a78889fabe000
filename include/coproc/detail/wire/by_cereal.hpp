#pragma once

#include <coproc/detail/wire/archive.hpp>

#include <cereal/access.hpp>

#include <memory>
#include <new>
#include <type_traits>
#include <utility>

/// The key to cereal::construct, which has only this class template for a friend: specialised for our
/// archive, as cereal/types/memory.hpp costs twice as much to compile as the rest of cereal.
template <class T>
struct cereal::memory_detail::LoadAndConstructLoadWrapper<coproc::wire::input_archive, T> {
  explicit LoadAndConstructLoadWrapper(T* room) : construct(room) {}

  cereal::construct<T> construct;
};

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

// Whatever a class does, it takes a byte: the length of a container of them can be checked. The visits of a
// base are those of the whole object.
template <class T>
void save_base_by_cereal(output_archive& out, const T& base) {
  const level deeper(out.state());
  const std::size_t before = out.written();
  impl::call_save(out, base);
  if (out.written() == before) out.write("", 1);
}

template <class T>
void save_by_cereal(output_archive& out, const T& value) {
  const visits here(out.state());
  impl::save_base_by_cereal(out, value);
}

template <class Call>
void load_some(input_archive& in, const Call& call) {
  const level deeper(in.state());
  const std::size_t before = in.left();
  call();
  if (in.left() == before) in.skip(1);
}

template <class T>
void load_base_by_cereal(input_archive& in, T& base) {
  load_some(in, [&] { impl::call_load(in, base); });
}

template <class T>
void load_by_cereal(input_archive& in, T& value) {
  const visits here(in.state());
  impl::load_base_by_cereal(in, value);
}

/// Lets a class construct an object in @p room. Should it throw when it has constructed, the object is left
/// alone, as cereal does.
template <class T>
void construct_by_cereal(input_archive& in, T* room) {
  const visits here(in.state());
  cereal::memory_detail::LoadAndConstructLoadWrapper<input_archive, T> wrapper(room);
  load_some(
      in, [&] { cereal::detail::Construct<T, input_archive>::load_andor_construct(in, wrapper.construct); });
  static_cast<void>(wrapper.construct.ptr()); // throws if it did not construct
}

/// For what can't be moved, too.
template <class T>
std::unique_ptr<T> new_by_cereal(input_archive& in) {
  const auto free = [](T* room) { std::allocator<T>().deallocate(room, 1); };
  std::unique_ptr<T, decltype(free)> room(std::allocator<T>().allocate(1), free);
  impl::construct_by_cereal(in, room.get());
  return std::unique_ptr<T>(room.release());
}

template <class T>
T make_by_cereal(input_archive& in) {
  if constexpr (constructs_by_cereal<T>) {
    const std::unique_ptr<T> value = new_by_cereal<T>(in);
    return std::move(*value);
  } else if constexpr (std::is_default_constructible_v<T>) {
    T value = T();
    impl::load_by_cereal(in, value);
    return value;
  } else {
    const std::unique_ptr<T> value(cereal::access::construct<T>()); // which may be private
    impl::load_by_cereal(in, *value);
    return std::move(*value);
  }
}

} // namespace coproc::wire::impl
