#include <coproc/wire.hpp>

#include "ipc/wire_types.hpp"

#include <boost/test/unit_test.hpp>

#include <array>
#include <bitset>
#include <chrono>
#include <climits>
#include <complex>
#include <cstring>
#include <deque>
#include <filesystem>
#include <functional>
#include <limits>
#include <random>
#include <span>
#include <stdexcept>
#include <string_view>
#include <unordered_set>

namespace {

using namespace coproc::test::types;
using coproc::detail::message;
namespace on_wire = coproc::wire;

/// Counts what is attached, and hands it back.
class ticket {
public:
  explicit ticket(int descriptor = -1) : descriptor_(descriptor) {}
  ticket(ticket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  ~ticket();
  int get() const { return descriptor_; }

  template <class Archive>
  void save(Archive& archive) const {
    archive.attach(descriptor_);
  }
  template <class Archive>
  void load(Archive& archive) {
    descriptor_ = archive.take();
  }

private:
  int descriptor_;
};

struct with_ticket {
  std::string name;
  std::list<ticket> tickets;
};

} // namespace

template <>
inline constexpr bool coproc::detail::is_handle<ticket> = true;

#include <fcntl.h>
#include <unistd.h>

namespace {

ticket::~ticket() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

// What can cross, and what can't.

struct holds_arrays {
  std::array<std::string, 2> names;
  std::array<std::optional<std::string>, 1> perhaps;
  std::array<point, 2> points;
  int last = 0;
  bool operator==(const holds_arrays&) const = default;
};
struct holds_move_only {
  std::optional<std::unique_ptr<int>> perhaps;
  std::tuple<std::unique_ptr<int>, int> two;
  std::pair<std::string, std::unique_ptr<int>> named;
  std::array<std::unique_ptr<int>, 2> array;
};
struct holds_pointer {
  int number;
  int* pointer;
};
struct holds_reference {
  int number;
  const int& reference;
};
struct holds_array {
  int number;
  char text[16];
};
struct holds_array_of_one {
  int number[1];
};
struct derived : point {
  int z;
};
struct derived_from_empty : empty {
  int z;
};
struct holds_view {
  std::vector<std::string_view> words;
};
class closed {
  int number_ = 0;

public:
  explicit closed(int number) : number_(number) {}
  int number() const { return number_; }
};
struct abstract {
  virtual ~abstract() = default;
  virtual int f() = 0;
  template <class Archive>
  void serialize(Archive&) {}
};
struct save_only {
  save_only() = default;
  template <class Archive>
  void save(Archive&) const {}
};
struct twice {
  twice() = default;
  template <class Archive>
  void serialize(Archive&) {}
  template <class Archive>
  void save(Archive&) const {}
  template <class Archive>
  void load(Archive&) {}
};
template <std::size_t N>
struct many; // many<100>, many<101>: aggregates of so many fields
#define NINE(n)                                                                                              \
  int n##1 = 1, n##2 = 2, n##3 = 3;                                                                          \
  std::string n##4, n##5, n##6;                                                                              \
  char n##7 = 7, n##8 = 8, n##9 = 9
template <>
struct many<100> {
  NINE(a);
  NINE(b);
  NINE(c);
  NINE(d);
  NINE(e);
  NINE(f);
  NINE(g);
  NINE(h);
  NINE(i);
  NINE(j);
  NINE(k);
  std::string last;
};
template <>
struct many<101> {
  NINE(a);
  NINE(b);
  NINE(c);
  NINE(d);
  NINE(e);
  NINE(f);
  NINE(g);
  NINE(h);
  NINE(i);
  NINE(j);
  NINE(k);
  std::string last, and_one_more;
};
#undef NINE

static_assert(on_wire::crossable<int> && on_wire::crossable<bool> && on_wire::crossable<long double>);
static_assert(on_wire::crossable<colour> && on_wire::crossable<std::byte> &&
              on_wire::crossable<std::nullopt_t> == false);
static_assert(on_wire::crossable<std::string> && on_wire::crossable<std::wstring> &&
              on_wire::crossable<const std::string>);
static_assert(on_wire::crossable<node> && on_wire::crossable<chain> && on_wire::crossable<record> &&
              on_wire::crossable<fixed>);
static_assert(on_wire::crossable<hidden> && on_wire::crossable<outside> && on_wire::crossable<split>);
static_assert(on_wire::crossable<minimal> && on_wire::crossable<versioned> && on_wire::crossable<diamond>);
static_assert(on_wire::crossable<constructed> && on_wire::crossable<movable> &&
              on_wire::crossable<private_default>);
static_assert(on_wire::crossable<std::unique_ptr<constructed>> && on_wire::crossable<std::vector<movable>>);
static_assert(on_wire::crossable<holds_arrays> && on_wire::crossable<holds_move_only>);
static_assert(on_wire::crossable<many<100>> && !on_wire::crossable<many<101>>);
static_assert(on_wire::crossable<std::tuple<>> && on_wire::crossable<empty> &&
              on_wire::crossable<std::array<std::string, 0>>);
static_assert(on_wire::crossable<with_ticket> && !on_wire::crossable_without_handles<with_ticket>);
static_assert(on_wire::crossable_without_handles<record>);

static_assert(!on_wire::crossable<int*> && !on_wire::crossable<int&> && !on_wire::crossable<void> &&
              !on_wire::crossable<int[3]>);
static_assert(!on_wire::crossable<std::nullptr_t> && !on_wire::crossable<int (*)()> &&
              !on_wire::crossable<int()>);
static_assert(!on_wire::crossable<int point::*> && !on_wire::crossable<volatile int>);
static_assert(!on_wire::crossable<std::string_view> && !on_wire::crossable<std::span<int>>);
static_assert(!on_wire::crossable<std::function<void()>> && !on_wire::crossable<std::reference_wrapper<int>>);
static_assert(!on_wire::crossable<std::initializer_list<int>>);
static_assert(!on_wire::crossable<holds_pointer> && !on_wire::crossable<std::vector<holds_pointer>>);
static_assert(!on_wire::crossable<holds_reference> && !on_wire::crossable<holds_array>);
static_assert(!on_wire::crossable<holds_array_of_one>);
static_assert(!on_wire::crossable<derived> && !on_wire::crossable<derived_from_empty>);
static_assert(!on_wire::crossable<holds_view> && !on_wire::crossable<closed> &&
              !on_wire::crossable<abstract>);
static_assert(!on_wire::crossable<std::unique_ptr<abstract>>);
static_assert(!on_wire::crossable<save_only> && !on_wire::crossable<twice>);
static_assert(!on_wire::crossable<std::unique_ptr<int[]>> && !on_wire::crossable<std::shared_ptr<int[]>>);
static_assert(!on_wire::crossable<std::unique_ptr<int, void (*)(int*)>> &&
              !on_wire::crossable<std::weak_ptr<int>>);
static_assert(!on_wire::crossable<std::map<int, int*>> &&
              !on_wire::crossable<std::optional<std::variant<int, char*>>>);
static_assert(!on_wire::crossable<std::pair<int&, int>>);

static_assert(on_wire::is_flat<int> && on_wire::is_flat<bool> && on_wire::is_flat<point> &&
              on_wire::is_flat<flags>);
static_assert(on_wire::is_flat<std::array<point, 4>> && on_wire::is_flat<std::chrono::nanoseconds>);
static_assert(on_wire::is_flat<std::chrono::system_clock::time_point> &&
              on_wire::is_flat<std::complex<double>>);
static_assert(!on_wire::is_flat<std::string> && !on_wire::is_flat<record> && !on_wire::is_flat<int*>);
static_assert(!on_wire::is_flat<holds_pointer> && !on_wire::is_flat<holds_array> && !on_wire::is_flat<fixed>);
static_assert(!on_wire::is_flat<outside>); // it has its own way

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

#define CROSSES(...)                                                                                         \
  do {                                                                                                       \
    const auto before = __VA_ARGS__;                                                                         \
    BOOST_TEST_CONTEXT(#__VA_ARGS__) BOOST_TEST((through(before) == before));                                \
  } while (false)

} // namespace

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

// Bytes that no encode() wrote.

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
  BOOST_TEST((complaint<std::array<bool, 2>>(raw(std::uint8_t{1}, std::uint8_t{2})) != ""));
  BOOST_TEST(complaint<std::optional<int>>(raw(std::uint8_t{2}, 0)) ==
             "wire: expected whether there is a value (0 or 1), found 2");
  BOOST_TEST(complaint<std::unique_ptr<int>>(raw(std::uint8_t{9}, 0)) != "");
  BOOST_TEST((complaint<std::variant<int, char>>(raw(std::uint8_t{2}, 0))) ==
             "wire: expected the number of an alternative of a std::variant, found 2");
  BOOST_TEST(complaint<int>(raw('x')) == "wire: expected 4 more bytes, but there are only 1");
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
