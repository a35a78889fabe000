#pragma once

#include <coproc/wire.hpp>

#include "ipc/wire_types.hpp"

#include <array>
#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include <unistd.h>

/// More types as users write them: at the limits of what can cross.
namespace coproc::test::types {

/// Counts what is attached, and hands it back.
class ticket {
public:
  explicit ticket(int descriptor = -1) : descriptor_(descriptor) {}
  ticket(ticket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  ~ticket() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
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
struct says_it_can_be_copied { // as containers of what can only be moved do
  int number = 0;
  std::vector<std::unique_ptr<int>> list;
  std::map<int, std::unique_ptr<int>> map;
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

} // namespace coproc::test::types

template <>
inline constexpr bool coproc::detail::is_handle<coproc::test::types::ticket> = true;
