// A target for libFuzzer: whatever the bytes are, decode() either makes a value or throws wire::error; and a
// value that it made is written and read again as the same bytes.
//
//     clang++ -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined ... tests/fuzz/wire_fuzz.cpp
//
// or, with clang, meson setup -Dfuzz=enabled and ninja tests/fuzz/wire-fuzz.
#include "ipc/wire_types.hpp"

#include <bitset>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <set>
#include <span>

namespace {

using namespace coproc::test::types;
using coproc::detail::message;

std::vector<std::byte> bytes_of(message& m) { return {m.bytes().begin(), m.bytes().end()}; }

template <class T>
void read(std::span<const std::byte> bytes) {
  try {
    const T value = coproc::wire::decode<T>(bytes, nullptr);
    message first;
    coproc::wire::encode(first, value);
    const T again = coproc::wire::decode<T>(first);
    message second;
    coproc::wire::encode(second, again);
    // Sets and maps that are not ordered may come out in another order, but not larger.
    if (bytes_of(first).size() != bytes_of(second).size()) std::abort();
  } catch (const coproc::wire::error&) {
  }
}

using everything =
    std::tuple<record, std::vector<flags>, std::unique_ptr<chain>, std::vector<bool>, hidden, split, minimal,
               versioned, std::vector<movable>, std::vector<silent>, std::list<std::optional<fixed>>, diamond,
               std::unordered_map<std::string, std::variant<int, std::vector<std::string>>>>;

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data + 1), size - 1);
  switch (data[0] % 16) {
  case 0:
    read<record>(bytes);
    break;
  case 1:
    read<node>(bytes);
    break;
  case 2:
    read<std::unique_ptr<chain>>(bytes);
    break;
  case 3:
    read<std::vector<flags>>(bytes);
    break;
  case 4:
    read<std::vector<std::string>>(bytes);
    break;
  case 5:
    read<std::map<std::string, std::vector<std::int32_t>>>(bytes);
    break;
  case 6:
    read<std::vector<bool>>(bytes);
    break;
  case 7:
    read<std::variant<std::monostate, fixed, std::vector<movable>, diamond>>(bytes);
    break;
  case 8:
    read<std::vector<split>>(bytes);
    break;
  case 9:
    read<std::vector<std::unique_ptr<constructed>>>(bytes);
    break;
  case 10:
    read<std::pair<std::filesystem::path, std::u32string>>(bytes);
    break;
  case 11:
    read<std::deque<std::optional<std::chrono::nanoseconds>>>(bytes);
    break;
  case 12:
    read<std::set<std::array<bool, 3>>>(bytes);
    break;
  case 13:
    read<std::vector<std::tuple<silent, empty, std::bitset<9>>>>(bytes);
    break;
  default:
    read<everything>(bytes);
  }
  return 0;
}
