#pragma once

#include <coproc/wire.hpp>

#include <cereal/types/polymorphic.hpp> // cereal wants it where a base is polymorphic

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

/// Types as users write them, one for each way in which a type can cross.
namespace coproc::test::types {

enum class colour : std::uint8_t { red, green, blue };

struct point { // flat
  std::int32_t x = 0;
  double y = 0;
  bool operator==(const point&) const = default;
};

struct flags { // flat, but not every byte is good for it
  bool on = false;
  std::int16_t level = 0;
  bool off = true;
  bool operator==(const flags&) const = default;
};

struct empty {
  bool operator==(const empty&) const = default;
};

struct node { // holds itself
  std::string name;
  std::vector<node> children;
  bool operator==(const node&) const = default;
};

struct chain { // holds itself behind a pointer; move-only
  std::int32_t value = 0;
  std::unique_ptr<chain> next;
};

struct record {
  std::string name;
  point where;
  flags what;
  colour shade = colour::red;
  empty nothing;
  std::optional<std::map<std::string, std::vector<std::int32_t>>> index;
  std::variant<std::monostate, std::int32_t, std::string, std::vector<point>> any;
  std::tuple<char, std::pair<std::string, float>> pair;
  bool operator==(const record&) const = default;
};

/// Neither of its fields can be loaded into.
struct fixed {
  const std::string key;
  const std::int32_t value;
  bool operator==(const fixed&) const = default;
};

class hidden { // a private serialize
public:
  hidden() = default;
  hidden(std::int32_t number, std::string text) : number_(number), text_(std::move(text)) {}
  bool operator==(const hidden&) const = default;

private:
  friend class cereal::access;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(cereal::make_nvp("number", number_), text_);
  }

  std::int32_t number_ = 0;
  std::string text_;
};

class outside { // a serialize beside it
public:
  std::int32_t number = 0;
  std::int32_t raw[3] = {};
  outside() = default;
  bool operator==(const outside&) const = default;
};
template <class Archive>
void serialize(Archive& archive, outside& value) {
  archive(value.number, value.raw);
}

class split { // save and load
public:
  std::map<int, std::string> entries;
  explicit split(int) {}
  split() = default;
  bool operator==(const split&) const = default;

  template <class Archive>
  void save(Archive& archive) const {
    archive(cereal::make_size_tag(static_cast<cereal::size_type>(entries.size())));
    for (const auto& [key, text] : entries) archive(cereal::make_map_item(key, text));
  }
  template <class Archive>
  void load(Archive& archive) {
    cereal::size_type size = 0;
    archive(cereal::make_size_tag(size));
    entries.clear();
    for (; size != 0; --size) {
      int key = 0;
      std::string text;
      archive(cereal::make_map_item(key, text));
      entries.emplace(key, std::move(text));
    }
  }
};

class minimal { // save_minimal and load_minimal
public:
  minimal() = default;
  explicit minimal(std::string text) : text_(std::move(text)) {}
  bool operator==(const minimal&) const = default;

  template <class Archive>
  std::string save_minimal(const Archive&) const {
    return text_;
  }
  template <class Archive>
  void load_minimal(const Archive&, const std::string& text) {
    text_ = text;
  }

private:
  std::string text_;
};

class versioned {
public:
  std::int32_t number = 0;
  std::uint32_t seen = 0;
  versioned() = default;
  bool operator==(const versioned& other) const { return number == other.number; }

  template <class Archive>
  void serialize(Archive& archive, const std::uint32_t version) {
    archive(number);
    seen = version;
  }
};

/// No default constructor, cannot be moved.
class constructed {
public:
  explicit constructed(std::int32_t number) : number_(number) {}
  constructed(const constructed&) = delete;
  std::int32_t number() const { return number_; }

  template <class Archive>
  void serialize(Archive& archive) {
    archive(number_);
  }
  template <class Archive>
  static void load_and_construct(Archive& archive, cereal::construct<constructed>& construct) {
    std::int32_t number = 0;
    archive(number);
    construct(number);
  }

private:
  std::int32_t number_;
};

/// No default constructor, can be moved.
class movable {
public:
  explicit movable(std::string text) : text_(std::move(text)) {}
  bool operator==(const movable&) const = default;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(text_);
  }
  template <class Archive>
  static void load_and_construct(Archive& archive, cereal::construct<movable>& construct) {
    std::string text;
    archive(text);
    construct(std::move(text));
  }

private:
  std::string text_;
};

class private_default {
public:
  explicit private_default(std::int32_t number) : number_(number) {}
  bool operator==(const private_default&) const = default;

private:
  friend class cereal::access;
  private_default() = default;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(number_);
  }
  std::int32_t number_ = 0;
};

struct top { // the roof of a diamond
  std::int32_t t = 0;
  virtual ~top() = default;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(t);
  }
};
struct left : virtual top {
  std::int32_t l = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(cereal::virtual_base_class<top>(this), l);
  }
};
struct right : virtual top {
  std::int32_t r = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(cereal::virtual_base_class<top>(this), r);
  }
};
struct diamond : left, right {
  template <class Archive>
  void serialize(Archive& archive) {
    archive(cereal::base_class<left>(this), cereal::base_class<right>(this));
  }
};

class silent { // writes nothing
public:
  silent() = default;
  template <class Archive>
  void serialize(Archive&) {}
  bool operator==(const silent&) const = default;
};

} // namespace coproc::test::types

CEREAL_CLASS_VERSION(coproc::test::types::versioned, 7)
