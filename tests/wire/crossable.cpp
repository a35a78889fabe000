// What can cross, and what can't: tested by the compiler.
#include <coproc/wire.hpp>

#include "wire/types.hpp"

#include <array>
#include <chrono>
#include <complex>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <queue>
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

namespace {

using namespace coproc::test::types;
namespace on_wire = coproc::wire;

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

struct seeded {
  int seed = 0;
  bool operator()(int, int) const { return seed != 0; }
  std::size_t operator()(int) const { return static_cast<std::size_t>(seed); }
};

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
static_assert(on_wire::crossable<std::set<int, std::greater<>>> &&
              on_wire::crossable<std::unordered_map<int, int, std::hash<int>, std::equal_to<>>>);
static_assert(!on_wire::crossable<std::set<int, bool (*)(int, int)>> &&
              !on_wire::crossable<std::multiset<int, std::function<bool(int, int)>>>);
static_assert(!on_wire::crossable<std::map<int, int, seeded>> &&
              !on_wire::crossable<std::vector<std::multimap<int, int, seeded>>>);
static_assert(!on_wire::crossable<std::unordered_set<int, seeded>> &&
              !on_wire::crossable<std::unordered_multiset<int, std::hash<int>, seeded>>);
static_assert(!on_wire::crossable<std::unordered_map<int, int, seeded>> &&
              !on_wire::crossable<std::unordered_multimap<int, int, std::hash<int>, seeded>>);
static_assert(!on_wire::crossable<std::queue<int>> && !on_wire::crossable<std::priority_queue<int>>);

static_assert(on_wire::is_flat<int> && on_wire::is_flat<bool> && on_wire::is_flat<point> &&
              on_wire::is_flat<flags>);
static_assert(on_wire::is_flat<std::array<point, 4>> && on_wire::is_flat<std::chrono::nanoseconds>);
static_assert(on_wire::is_flat<std::chrono::system_clock::time_point> &&
              on_wire::is_flat<std::complex<double>>);
static_assert(!on_wire::is_flat<std::string> && !on_wire::is_flat<record> && !on_wire::is_flat<int*>);
static_assert(!on_wire::is_flat<holds_pointer> && !on_wire::is_flat<holds_array> && !on_wire::is_flat<fixed>);
static_assert(!on_wire::is_flat<outside>); // it has its own way

} // namespace
