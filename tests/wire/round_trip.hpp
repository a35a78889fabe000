#pragma once

#include <coproc/wire.hpp>

#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <span>
#include <vector>

/// What the tests of the wire do with a value and with its bytes.
namespace coproc::test::wire_bytes {

using coproc::detail::message;
namespace on_wire = coproc::wire;

template <class T>
std::vector<std::byte> encoded(const T& value) {
  message m;
  on_wire::encode(m, value);
  return {m.bytes().begin(), m.bytes().end()};
}

/// @returns whether @p bytes can be read as a T; another exception than that of bad bytes fails the test.
template <class T>
bool readable(std::span<const std::byte> bytes) {
  try {
    static_cast<void>(on_wire::decode<T>(bytes, nullptr));
    return true;
  } catch (const on_wire::error&) {
    return false;
  }
}

/// Whatever happens to the bytes, the reader notices or reads something else.
template <class T>
void spoil(const std::vector<std::byte>& good) {
  for (std::size_t size = 0; size != good.size(); ++size) {
    const std::vector<std::byte> exact(good.begin(),
                                       good.begin() + static_cast<std::ptrdiff_t>(size)); // for asan
    BOOST_TEST_CONTEXT("cut to " << size << " of " << good.size()) BOOST_TEST(!readable<T>(exact));
  }
  std::vector<std::byte> bad = good;
  for (std::byte& at : bad) {
    const std::byte before = at;
    for (unsigned value : {0u, 1u, 2u, 0x7fu, 0x80u, 0xffu}) {
      at = std::byte{static_cast<unsigned char>(value)};
      readable<T>(bad);
    }
    at = before;
  }
}

/// @returns what arrives of @p value; spoils it on the way, too.
template <class T>
T through(const T& value) {
  message m;
  on_wire::encode(m, value);
  const std::vector<std::byte> bytes(m.bytes().begin(), m.bytes().end());
  if (bytes.size() < 2000) spoil<T>(bytes);
  m.append("", 1);
  BOOST_CHECK_THROW(on_wire::decode<T>(m), on_wire::error); // something is left over
  message again;
  again.append(bytes.data(), bytes.size());
  return on_wire::decode<T>(again);
}

} // namespace coproc::test::wire_bytes

#define CROSSES(...)                                                                                         \
  do {                                                                                                       \
    const auto before = __VA_ARGS__;                                                                         \
    BOOST_TEST_CONTEXT(#__VA_ARGS__) BOOST_TEST((through(before) == before));                                \
  } while (false)
