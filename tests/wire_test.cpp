#include <coproc/wire.hpp>

#include "wire/round_trip.hpp"
#include "wire/types.hpp"

#include <boost/test/unit_test.hpp>

#include <array>
#include <bitset>
#include <chrono>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <filesystem>
#include <forward_list>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include <fcntl.h>

using namespace coproc::test::types;
using namespace coproc::test::wire_bytes;

BOOST_AUTO_TEST_SUITE(wire)

BOOST_AUTO_TEST_CASE(numbers_and_enums_cross) {
  CROSSES(0);
  CROSSES(-1);
  CROSSES(std::numeric_limits<std::int64_t>::min());
  CROSSES(std::numeric_limits<std::uint64_t>::max());
  CROSSES('x');
  CROSSES(u'\u00e4');
  CROSSES(true);
  CROSSES(false);
  CROSSES(1.5f);
  CROSSES(-0.1);
  CROSSES(1.25L);
  CROSSES(std::numeric_limits<double>::infinity());
  CROSSES(colour::blue);
  CROSSES(std::byte{77});
  CROSSES(std::complex<float>(1, 2));
  CROSSES(std::bitset<13>(0x1357));
}

BOOST_AUTO_TEST_CASE(strings_and_paths_cross) {
  CROSSES(std::string());
  CROSSES(std::string("a\0b\xff", 4));
  CROSSES(std::wstring(L"w\u00e4"));
  CROSSES(std::u16string(u"u"));
  CROSSES(std::string(1000, 'x'));
  CROSSES(std::filesystem::path("/a/b c/\xff"));
}

BOOST_AUTO_TEST_CASE(containers_cross) {
  CROSSES(std::vector<int>{});
  CROSSES(std::vector<int>{1, 2, 3});
  CROSSES(std::vector<std::string>{"", "a", "bc"});
  CROSSES(std::vector<std::vector<int>>{{}, {1}, {2, 3}});
  CROSSES(std::vector<bool>{});
  CROSSES(std::vector<bool>{true});
  CROSSES(std::vector<bool>{true, false, true, true, false, false, true, false, true});
  CROSSES(std::vector<flags>(3));
  CROSSES(std::vector<empty>(3));
  CROSSES(std::vector<silent>(3));
  CROSSES(std::vector<std::tuple<>>(3));
  CROSSES(std::array<int, 3>{1, 2, 3});
  CROSSES(std::array<std::string, 2>{"a", "b"});
  CROSSES(std::array<int, 0>{});
  CROSSES(holds_arrays{.names = {"a", "b"}, .perhaps = {"c"}, .points = {{{1, 2}, {3, 4}}}, .last = 5});
  CROSSES(std::deque<int>{1, 2});
  CROSSES(std::deque<bool>{true, false});
  CROSSES(std::list<std::string>{"x", "y"});
  CROSSES(std::forward_list<std::string>{"x", "y"});
  CROSSES(std::forward_list<int>{});
  CROSSES(std::forward_list<bool>{true, false});
  CROSSES(std::forward_list<fixed>{fixed{"a", 1}, fixed{"b", 2}});
  CROSSES(std::set<std::string>{"b", "a"});
  CROSSES(std::multiset<int>{1, 1, 2});
  CROSSES(std::unordered_set<int>{5, 6, 7});
  CROSSES(std::unordered_multiset<int>{5, 5});
  CROSSES(std::map<std::string, int>{{"a", 1}, {"b", 2}});
  CROSSES(std::map<int, std::map<int, std::vector<std::string>>>{{1, {{2, {"x"}}}}, {3, {}}});
  CROSSES(std::multimap<int, int>{{1, 1}, {1, 2}});
  CROSSES(std::unordered_map<std::string, point>{{"p", {1, 2}}});
  CROSSES(std::unordered_multimap<int, int>{{1, 1}, {1, 1}});
  CROSSES(std::map<fixed, int, decltype([](const fixed& a, const fixed& b) { return a.key < b.key; })>{
      {fixed{"k", 1}, 2}});
}

template <class Held>
int levels_of(const Held& outermost) {
  int levels = 1;
  for (const Held* at = &outermost; !at->children.empty(); at = &at->children.begin()->second) ++levels;
  return levels;
}

template <class Held>
int levels_that_cross(int levels) {
  Held outermost;
  Held* at = &outermost;
  while (--levels != 0) at = &at->children.emplace(levels, Held()).first->second;
  message m;
  on_wire::encode(m, outermost);
  const auto got = std::make_unique<Held>(on_wire::decode<Held>(m));
  return levels_of(*got);
}

BOOST_AUTO_TEST_CASE(large_values_in_maps_in_each_other_take_no_stack) {
  struct ordered {
    std::array<char, 16 * 1024> data{};
    std::string name;
    std::map<int, ordered> children;
  };
  struct hashed {
    std::array<char, 16 * 1024> data{};
    std::string name;
    std::unordered_map<int, hashed> children;
  };
  BOOST_TEST(levels_that_cross<ordered>(900) == 900);
  BOOST_TEST(levels_that_cross<hashed>(900) == 900);
}

BOOST_AUTO_TEST_CASE(sums_and_products_cross) {
  CROSSES(std::optional<int>());
  CROSSES(std::optional<int>(3));
  CROSSES(std::optional<std::string>("x"));
  CROSSES(std::optional<std::optional<bool>>(std::optional<bool>()));
  CROSSES(std::optional<fixed>(fixed{"k", 1}));
  CROSSES(std::variant<int, std::string>(7));
  CROSSES(std::variant<int, std::string>("seven"));
  CROSSES(std::variant<std::monostate, fixed>(fixed{"k", 1}));
  CROSSES(std::variant<movable, fixed>(movable("no default constructor")));
  CROSSES(std::pair<int, std::string>{1, "a"});
  CROSSES(std::pair<const int, fixed>{1, fixed{"k", 1}});
  CROSSES(std::tuple<int, std::string, double>{1, "a", 2.5});
  CROSSES(std::tuple<>());
  CROSSES(std::monostate());
}

BOOST_AUTO_TEST_CASE(times_cross) {
  using namespace std::chrono;
  CROSSES(42ms);
  CROSSES(duration<double>(1.5));
  CROSSES(system_clock::now());
  CROSSES(steady_clock::now());
  CROSSES(std::vector<nanoseconds>{1ns, 2ns});
  CROSSES(year_month_day(year(2024), February, day(29)));
  CROSSES(year_month_day(year(-32767), month(255), day(255))); // no date, but a value
  CROSSES(std::vector<weekday>{Sunday, Saturday});
}

BOOST_AUTO_TEST_CASE(aggregates_cross_without_a_macro) {
  CROSSES(point{1, 2.5});
  CROSSES(flags{true, -3, false});
  CROSSES(empty{});
  CROSSES(record{});
  record full{"name", {1, 2}, {true, 2, false}, colour::blue, {}, {{{"a", {1, 2}}, {"b", {}}}}, {}, {}};
  full.any = std::vector<point>{{1, 1}, {2, 2}};
  full.pair = {'c', {"s", 2.5f}};
  CROSSES(full);
  CROSSES(node{"a", {{"b", {}}, {"c", {{"d", {}}}}}});
  CROSSES(fixed{"const fields", 3});
  CROSSES(std::vector<fixed>{fixed{"a", 1}, fixed{"b", 2}});
  many<100> hundred;
  hundred.a4 = "first";
  hundred.last = "last";
  const auto got = through(hundred);
  BOOST_TEST(got.a4 == "first");
  BOOST_TEST(got.k9 == 9);
  BOOST_TEST(got.last == "last");
}

BOOST_AUTO_TEST_CASE(plain_memory_with_const_fields_crosses_in_whatever_holds_it) {
  struct constant { // with padding
    const char kind;
    const std::int32_t number;
    bool operator==(const constant&) const = default;
  };
  struct with_default {
    const std::int32_t number = 0;
    bool operator==(const with_default&) const = default;
  };
  const constant a{'a', 1}, b{'b', 2};
  CROSSES(constant{'a', 1});
  CROSSES(std::vector<constant>{a, b});
  CROSSES(std::vector<with_default>{{1}, {2}});
  CROSSES(std::vector<std::array<constant, 2>>{{a, b}});
  CROSSES(std::deque<constant>{a, b});
  CROSSES(std::array<constant, 2>{a, b});
  CROSSES(std::optional<constant>(a));
  CROSSES(std::pair<int, constant>(1, a));
  CROSSES(std::tuple<const int, const constant, constant>(1, a, b));
  CROSSES(std::variant<constant, int>(a));
  CROSSES(std::map<int, constant>{{1, a}, {2, b}});
  CROSSES(std::unordered_map<int, std::vector<constant>>{{1, {a, b}}});
  BOOST_TEST(through(std::unique_ptr<const constant>(new constant(b)))->number == 2);
}

BOOST_AUTO_TEST_CASE(const_objects_cross_in_what_holds_them) {
  CROSSES(std::variant<const int, const std::string>("x"));
  CROSSES(std::variant<const int, const std::string>(1));
  CROSSES(std::map<int, const int>{{1, 2}});
  CROSSES(std::map<int, const std::string>{{1, "x"}});
  CROSSES(std::array<const std::string, 2>{"a", "b"});
  CROSSES(std::array<const int, 2>{1, 2});
  CROSSES(std::optional<const std::string>("x"));
}

BOOST_AUTO_TEST_CASE(pointers_that_own_cross) {
  BOOST_TEST(through(std::unique_ptr<int>()).get() == nullptr);
  BOOST_TEST(*through(std::make_unique<int>(3)) == 3);
  BOOST_TEST(*through(std::unique_ptr<const std::string>(new std::string("x"))) == "x");
  BOOST_TEST(*through(std::make_shared<std::string>("y")) == "y");
  BOOST_TEST(through(std::make_unique<std::unique_ptr<int>>()).get()->get() == nullptr);
  BOOST_TEST(through(std::make_unique<constructed>(5))->number() == 5);
  chain head{1, std::make_unique<chain>(chain{2, nullptr})};
  const chain got = through(head);
  BOOST_TEST(got.value == 1);
  BOOST_TEST(got.next->value == 2);
  BOOST_TEST(!got.next->next);
  std::vector<std::unique_ptr<int>> move_only;
  move_only.push_back(std::make_unique<int>(9));
  BOOST_TEST(*through(move_only).front() == 9);
  holds_move_only all;
  all.perhaps = std::make_unique<int>(1);
  std::get<0>(all.two) = std::make_unique<int>(2);
  all.named = {"three", std::make_unique<int>(3)};
  all.array[1] = std::make_unique<int>(4);
  const holds_move_only back = through(all);
  BOOST_TEST(**back.perhaps + *std::get<0>(back.two) + *back.named.second + *back.array[1] == 10);
  BOOST_TEST(!back.array[0]);
  says_it_can_be_copied lists{1, {}, {}};
  lists.list.push_back(std::make_unique<int>(2));
  lists.map.emplace(3, std::make_unique<int>(4));
  const says_it_can_be_copied lists_back = through(lists);
  BOOST_TEST(lists_back.number + *lists_back.list.at(0) + *lists_back.map.at(3) == 7);
}

BOOST_AUTO_TEST_CASE(two_shared_pointers_to_one_object_become_two_objects) {
  const auto shared = std::make_shared<int>(1);
  const auto got = through(std::vector{shared, shared});
  BOOST_TEST(got.at(0) != got.at(1));
  BOOST_TEST(*got.at(1) == 1);
}

BOOST_AUTO_TEST_CASE(classes_with_functions_of_cereal_cross) {
  CROSSES(hidden(3, "text"));
  outside out;
  out.number = 1;
  out.raw[2] = 5;
  CROSSES(out);
  split entries;
  entries.entries = {{1, "a"}, {2, "b"}};
  CROSSES(entries);
  CROSSES(std::vector<split>(2, entries));
  CROSSES(minimal("small"));
  CROSSES(movable("moved"));
  CROSSES(private_default(4));
  CROSSES(silent());
  CROSSES(std::map<std::string, hidden>{{"k", hidden(1, "x")}});
  versioned number;
  number.number = 2;
  CROSSES(number);
  BOOST_TEST(through(number).seen == 7u);
}

BOOST_AUTO_TEST_CASE(a_base_that_two_classes_share_crosses_once) {
  diamond shape;
  shape.t = 1;
  shape.l = 2;
  shape.r = 3;
  const diamond got = through(shape);
  BOOST_TEST(got.t == 1);
  BOOST_TEST(got.l == 2);
  BOOST_TEST(got.r == 3);
  BOOST_TEST(encoded(shape).size() == 3 * sizeof(std::int32_t));
}

BOOST_AUTO_TEST_CASE(a_base_that_two_classes_share_crosses_with_each_element) {
  struct by_number {
    bool operator()(const diamond& a, const diamond& b) const { return a.t < b.t; }
  };
  std::list<diamond> shapes(3);
  std::int32_t number = 0;
  for (diamond& each : shapes) {
    each.t = ++number;
    each.l = 10 * number;
  }
  const auto check = [](const auto& got) {
    std::int32_t expected = 0;
    BOOST_TEST(got.size() == 3u);
    for (const diamond& each : got) {
      ++expected;
      BOOST_TEST(each.t == expected);
      BOOST_TEST(each.l == 10 * expected);
    }
  };
  check(through(shapes));
  check(through(std::set<diamond, by_number>(shapes.begin(), shapes.end())));
  check(through(std::vector<diamond>(shapes.begin(), shapes.end())));
  std::map<diamond, int, by_number> places;
  for (const diamond& each : shapes) places.emplace(each, each.t);
  for (const auto& [shape, place] : through(places)) BOOST_TEST(shape.t == place);
}

BOOST_AUTO_TEST_CASE(an_object_of_a_derived_class_is_not_cut_to_its_base) {
  const std::shared_ptr<top> object = std::make_shared<left>();
  message m;
  BOOST_CHECK_EXCEPTION(on_wire::encode(m, object), on_wire::error, [](const on_wire::error& found) {
    return std::string_view(found.what()).find("derived") != std::string_view::npos;
  });
  CROSSES(std::make_shared<top>()->t);
}

BOOST_AUTO_TEST_CASE(values_follow_each_other_in_a_message) {
  message m;
  on_wire::encode(m, 1);
  on_wire::encode(m, std::string("two"));
  on_wire::encode(m, 3.0);
  std::span<const std::byte> bytes = m.bytes();
  BOOST_TEST(on_wire::decode<int>(bytes, nullptr) == 1);
  const auto before = bytes.size();
  BOOST_CHECK_THROW(on_wire::decode<std::vector<double>>(bytes, nullptr), on_wire::error);
  BOOST_TEST(bytes.size() == before); // as it was
  BOOST_TEST(on_wire::decode<std::string>(bytes, nullptr) == "two");
  BOOST_TEST(on_wire::decode<double>(bytes, nullptr) == 3.0);
  BOOST_TEST(bytes.empty());
}

BOOST_AUTO_TEST_CASE(a_value_is_the_smallest_that_it_can_be_and_at_least_a_byte) {
  BOOST_TEST(encoded(1).size() == 4u);
  BOOST_TEST(encoded(std::string("abc")).size() == 11u);
  BOOST_TEST(encoded(std::vector<point>(3)).size() == 8 + 3 * sizeof(point));
  BOOST_TEST(encoded(std::vector<bool>(17)).size() == 11u);
  BOOST_TEST(encoded(std::optional<int>()).size() == 1u);
  for (std::size_t size : {encoded(empty{}).size(), encoded(std::tuple<>()).size(), encoded(silent()).size(),
                           encoded(std::array<int, 0>()).size()})
    BOOST_TEST(size == 1u);
}

#if __has_builtin(__builtin_clear_padding)
struct padded {
  char first;
  double second;
  bool third;
};

BOOST_AUTO_TEST_CASE(padding_does_not_cross) {
  auto encoded_over = [](int garbage) {
    alignas(padded) unsigned char memory[sizeof(padded)];
    std::memset(memory, garbage, sizeof memory);
    auto& value = *reinterpret_cast<padded*>(memory);
    value.first = 'a', value.second = 1.5, value.third = true;
    return encoded(value);
  };
  BOOST_TEST((encoded_over(0x55) == encoded_over(0xAA)));
}
#endif

BOOST_AUTO_TEST_CASE(descriptors_cross_with_their_handles) {
  const int first = ::open("/dev/null", O_RDONLY | O_CLOEXEC),
            second = ::open("/dev/zero", O_RDONLY | O_CLOEXEC);
  message m;
  {
    with_ticket out{"two", {}};
    out.tickets.emplace_back(first);
    out.tickets.emplace_back(second);
    on_wire::encode(m, out);
    for (ticket& each : out.tickets) new (&each) ticket(); // the message owns the descriptors now
  }
  BOOST_TEST(m.descriptor_count() == 2u);
  const auto got = on_wire::decode<with_ticket>(m);
  BOOST_TEST_REQUIRE(got.tickets.size() == 2u);
  BOOST_TEST(got.tickets.front().get() == first);
  BOOST_TEST(got.tickets.back().get() == second);
  BOOST_CHECK_THROW(on_wire::decode<with_ticket>(m), on_wire::error); // taken
  std::span<const std::byte> bytes = m.bytes();
  BOOST_CHECK_THROW(on_wire::decode<with_ticket>(bytes, nullptr), on_wire::error);
}

BOOST_AUTO_TEST_SUITE_END()
