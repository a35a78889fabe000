// Bytes that no encode() wrote, and values that no message takes.
#include <coproc/wire.hpp>

#include "ipc/wire_types.hpp"
#include "wire/round_trip.hpp"

#include <boost/test/unit_test.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include <pthread.h>

using namespace coproc::test::types;
using namespace coproc::test::wire_bytes;

BOOST_AUTO_TEST_SUITE(wire_bad_bytes)

template <class... T>
std::vector<std::byte> raw(T... values) {
  message m;
  (m.append(&values, sizeof values), ...);
  return {m.bytes().begin(), m.bytes().end()};
}

template <class T>
std::string complaint(const std::vector<std::byte>& bytes) {
  std::span<const std::byte> rest(bytes);
  try {
    static_cast<void>(on_wire::decode<T>(rest, nullptr));
  } catch (const on_wire::error& found) {
    return found.what();
  }
  return "";
}

BOOST_AUTO_TEST_CASE(a_length_is_checked_before_anything_is_resized) {
  for (std::uint64_t length : {std::uint64_t{2}, std::uint64_t{1} << 32, std::uint64_t{1} << 61,
                               (std::uint64_t{1} << 61) + 1, std::numeric_limits<std::uint64_t>::max()}) {
    const auto bytes = raw(length, std::int32_t{1});
    BOOST_TEST_CONTEXT(length) {
      BOOST_TEST(complaint<std::vector<int>>(bytes) != "");
      BOOST_TEST(complaint<std::vector<std::string>>(bytes) != "");
      BOOST_TEST(complaint<std::list<std::optional<node>>>(bytes) != "");
      BOOST_TEST(complaint<std::u32string>(bytes) != "");
      BOOST_TEST((complaint<std::unordered_map<int, int>>(bytes) != ""));
      if (length > 5) {
        BOOST_TEST(complaint<std::string>(bytes) != "");
        BOOST_TEST(complaint<std::vector<empty>>(bytes) != "");
        BOOST_TEST(complaint<std::vector<silent>>(bytes) != "");
        BOOST_TEST(complaint<std::vector<std::tuple<>>>(bytes) != "");
        BOOST_TEST(complaint<std::set<char>>(bytes) != "");
        BOOST_TEST(complaint<split>(bytes) != "");
      }
      if (length > 32) BOOST_TEST(complaint<std::vector<bool>>(bytes) != "");
    }
  }
  BOOST_TEST(complaint<std::vector<int>>(raw(std::uint64_t{3}, std::int32_t{1})) ==
             "wire: a length of 3 elements of at least 4 bytes, but only 4 bytes are left");
}

BOOST_AUTO_TEST_CASE(bytes_that_are_no_value_of_their_type_are_refused) {
  BOOST_TEST(complaint<bool>(raw(std::uint8_t{2})) == "wire: expected a bool (0 or 1), found 2");
  BOOST_TEST(complaint<flags>(raw(std::uint8_t{1}, std::uint8_t{0}, std::int16_t{0}, std::uint8_t{255},
                                  'x')) == "wire: expected a bool (0 or 1), found 255");
  BOOST_TEST(complaint<std::vector<flags>>(raw(std::uint64_t{1}, std::uint8_t{3}, 'x', std::int32_t{0})) !=
             "");
  enum class answer : bool { no, yes };
  BOOST_TEST(complaint<answer>(raw(std::uint8_t{2})) == "wire: expected a bool (0 or 1), found 2");
  BOOST_TEST((complaint<std::array<answer, 2>>(raw(std::uint8_t{1}, std::uint8_t{2})) != ""));
  BOOST_TEST((complaint<std::array<bool, 2>>(raw(std::uint8_t{1}, std::uint8_t{2})) != ""));
  BOOST_TEST(complaint<std::optional<int>>(raw(std::uint8_t{2}, 0)) ==
             "wire: expected whether there is a value (0 or 1), found 2");
  BOOST_TEST(complaint<std::unique_ptr<int>>(raw(std::uint8_t{9}, 0)) != "");
  BOOST_TEST((complaint<std::variant<int, char>>(raw(std::uint8_t{2}, 0))) ==
             "wire: expected the number of an alternative of a std::variant, found 2");
  BOOST_TEST(complaint<int>(raw('x')) == "wire: expected 4 more bytes, but there are only 1");
}

template <class Map>
Map decoded_twice_the_same_key() {
  const auto bytes = raw(std::uint64_t{3}, std::int32_t{1}, 'a', std::int32_t{1}, 'b', std::int32_t{2}, 'c');
  std::span<const std::byte> rest(bytes);
  Map got = on_wire::decode<Map>(rest, nullptr);
  BOOST_TEST(rest.empty());
  return got;
}

BOOST_AUTO_TEST_CASE(the_first_value_of_a_key_stays) {
  const auto ordered = decoded_twice_the_same_key<std::map<int, char>>();
  BOOST_TEST((ordered == std::map<int, char>{{1, 'a'}, {2, 'c'}}));
  const auto hashed = decoded_twice_the_same_key<std::unordered_map<int, char>>();
  BOOST_TEST((hashed == std::unordered_map<int, char>{{1, 'a'}, {2, 'c'}}));
  const auto all = decoded_twice_the_same_key<std::multimap<int, char>>();
  BOOST_TEST((all == std::multimap<int, char>{{1, 'a'}, {1, 'b'}, {2, 'c'}}));
}

std::unique_ptr<chain> chain_of(int length) {
  std::unique_ptr<chain> head;
  for (int i = 0; i != length; ++i) {
    auto longer = std::make_unique<chain>();
    longer->next = std::move(head);
    head = std::move(longer);
  }
  return head;
}

BOOST_AUTO_TEST_CASE(nesting_has_a_bottom_on_both_sides) {
  BOOST_TEST(through(chain_of(900)) != nullptr);
  message m;
  BOOST_CHECK_THROW(on_wire::encode(m, chain_of(1100)), on_wire::error);
  std::vector<std::byte> deep;
  for (int i = 0; i != 100'000; ++i) {
    deep.push_back(std::byte{1});
    deep.resize(deep.size() + 4);
  }
  BOOST_TEST(complaint<std::unique_ptr<chain>>(deep) ==
             "wire: values hold each other more than 1000 levels deep");
  // name of no length, one child
  std::vector<std::byte> tree;
  for (int i = 0; i != 100'000; ++i) {
    tree.resize(tree.size() + 16);
    tree[tree.size() - 8] = std::byte{1};
  }
  BOOST_TEST(complaint<node>(tree) == "wire: values hold each other more than 1000 levels deep");
  // A cycle has no end, either.
  struct ring {
    std::shared_ptr<ring> next;
  };
  const auto one = std::make_shared<ring>();
  one->next = one;
  BOOST_CHECK_THROW(on_wire::encode(m, one), on_wire::error);
  one->next.reset();
}

struct wide_tree {
  std::array<std::string, 256> texts;
  struct by_size {
    bool operator()(const wide_tree& a, const wide_tree& b) const;
  };
  std::set<wide_tree, by_size> children;
};

bool wide_tree::by_size::operator()(const wide_tree& a, const wide_tree& b) const {
  return a.children.size() < b.children.size();
}

std::vector<std::byte> bytes_of_wide_tree(int levels) {
  std::vector<std::byte> bytes;
  for (int i = 0; i != levels; ++i) { // texts of no length, one child
    bytes.resize(bytes.size() + 256 * 8 + 8);
    bytes[bytes.size() - 8] = std::byte{i + 1 != levels};
  }
  return bytes;
}

/// @returns what @p ask does, on a stack of that size.
std::string on_stack_of(std::size_t size, const std::function<std::string()>& ask) {
  struct call {
    const std::function<std::string()>& ask;
    std::string answer;
  } made{ask, ""};
  pthread_attr_t attributes;
  pthread_t thread;
  BOOST_REQUIRE(pthread_attr_init(&attributes) == 0);
  BOOST_REQUIRE(pthread_attr_setstacksize(&attributes, size) == 0);
  auto body = [](void* of) -> void* {
    auto& call_ = *static_cast<call*>(of);
    call_.answer = call_.ask();
    return nullptr;
  };
  BOOST_REQUIRE(pthread_create(&thread, &attributes, body, &made) == 0);
  BOOST_REQUIRE(pthread_join(thread, nullptr) == 0);
  pthread_attr_destroy(&attributes);
  return made.answer;
}

// An element of a set is made on the stack: 8 KiB a level.
BOOST_AUTO_TEST_CASE(nesting_ends_before_the_stack_does) {
  const std::string refused = "wire: values hold each other more deeply than there is stack for";
  auto read = [](int levels) {
    return [levels] { return complaint<wide_tree>(bytes_of_wide_tree(levels)); };
  };
  BOOST_TEST(on_stack_of(4 << 20, read(30)) == "");
  BOOST_TEST(on_stack_of(4 << 20, read(999)) == refused);
  BOOST_TEST(on_stack_of(256 << 10, read(50)) == refused);
  BOOST_TEST(on_stack_of(96 << 10, read(50)) == refused);
}

BOOST_AUTO_TEST_CASE(random_changes_are_noticed_or_harmless) {
  using everything =
      std::tuple<record, node, std::vector<flags>, std::unique_ptr<chain>, std::vector<bool>, hidden, outside,
                 split, minimal, versioned, std::vector<movable>, std::vector<silent>,
                 std::map<std::string, std::variant<int, std::vector<std::string>>>,
                 std::unordered_map<int, std::optional<std::list<double>>>, std::filesystem::path>;
  everything value;
  std::get<0>(value).index.emplace();
  (*std::get<0>(value).index)["key"] = {1, 2, 3};
  std::get<1>(value).children.resize(2);
  std::get<2>(value).resize(3);
  std::get<3>(value) = chain_of(3);
  std::get<4>(value).resize(11);
  std::get<7>(value).entries = {{1, "a"}};
  std::get<10>(value).emplace_back("x");
  std::get<11>(value).resize(2);
  std::get<12>(value)["v"] = std::vector<std::string>{"a", "b"};
  std::get<13>(value)[1].emplace(3, 1.5);
  const std::vector<std::byte> good = encoded(value);
  BOOST_TEST(readable<everything>(good));

  std::mt19937 random(12345);
  const auto number = [&](std::size_t below) {
    return std::uniform_int_distribution<std::size_t>(0, below - 1)(random);
  };
  int read = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  for (int i = 0; i != 20'000 && std::chrono::steady_clock::now() < end; ++i) {
    std::vector<std::byte> bad = good;
    for (std::size_t changes = 1 + number(4); changes != 0; --changes)
      bad[number(bad.size())] =
          std::byte{static_cast<unsigned char>(number(4) == 0 ? number(256) : number(3))};
    if (number(8) == 0) bad.resize(number(bad.size()));
    read += readable<everything>(bad);
  }
  BOOST_TEST(read > 0);
}

BOOST_AUTO_TEST_CASE(an_exception_of_a_class_goes_through) {
  struct strict {
    int number = 0;
    void save(on_wire::output_archive& archive) const { archive(number); }
    void load(on_wire::input_archive& archive) {
      archive(number);
      throw std::domain_error("not this one");
    }
  };
  message m;
  on_wire::encode(m, std::vector<strict>(2));
  BOOST_CHECK_THROW(on_wire::decode<std::vector<strict>>(m), std::domain_error);
}

BOOST_AUTO_TEST_SUITE_END()
