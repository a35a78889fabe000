// Types that can't cross. Compiled once for each case by check.py, which looks for the texts in the comments.
#include <coproc/wire.hpp>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

struct job {
  std::string name;
  int* counter;
};
struct batch {
  int number;
  std::vector<job> jobs;
};
struct buffer {
  char text[16];
  int used;
};
struct base {
  int b;
};
struct derived : base {
  int d;
};
struct reference {
  int number;
  const std::string& text;
};
class closed {
public:
  explicit closed(int number) : number_(number) {}
  int number() const { return number_; }

private:
  int number_;
};
class no_default {
public:
  explicit no_default(int) {}
  template <class Archive>
  void serialize(Archive&) {}
};
struct callback {
  std::function<void()> call;
};
struct seeded_hash {
  std::size_t seed = 0;
  std::size_t operator()(int) const { return seed; }
};
struct tables {
  std::unordered_map<int, int, seeded_hash> numbers;
};
union either {
  int i;
  float f;
};
class raw_inside { // found when its serialize() is compiled
public:
  raw_inside() = default;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(pointer_);
  }

private:
  int* pointer_ = nullptr;
};

void encode_raw_inside() {
#ifdef RAW_INSIDE // a raw pointer can't cross | crosses<int*
  coproc::detail::message out;
  coproc::wire::encode(out, raw_inside());
#endif
}

#ifdef NOTHING_WRONG //
template void coproc::wire::encode(coproc::detail::message&, const std::map<int, std::string>&);
template void coproc::wire::check<base>();
#endif
#ifdef POINTER // a raw pointer can't cross | crosses<int*, | field_of<job, 1> | T = job
using type = job;
#endif
#ifdef NESTED // a raw pointer can't cross | field_of<job, 1> | T = batch
using type = batch;
#endif
#ifdef IN_MAP // a raw pointer can't cross | element_of<std::map<int, const char*
using type = std::map<int, const char*>;
#endif
#ifdef ARRAY // holds a C array | use std::array | crosses<buffer,
using type = buffer;
#endif
#ifdef BASE // a class with a base | crosses<derived,
using type = derived;
#endif
#ifdef REFERENCE // holds a reference | crosses<reference,
using type = reference;
#endif
#ifdef CLOSED // give it a cereal serialize() | crosses<closed,
using type = closed;
#endif
#ifdef NO_DEFAULT // no matching | construct | no_default
template no_default coproc::wire::decode<no_default>(coproc::detail::message&);
#endif
#ifdef CALLBACK // a std::function can't cross | field_of<callback, 0>
using type = callback;
#endif
#ifdef VIEW // a view | pass a std::string | string_view
using type = std::vector<std::string_view>;
#endif
#ifdef SPAN // a view | std::span<int
using type = std::span<int>;
#endif
#ifdef FUNCTION // a function or a pointer to one
using type = void (*)(int);
#endif
#ifdef UNION // use std::variant | crosses<either,
using type = either;
#endif
#ifdef DELETER // a deleter of its own, or to an array | use std::default_delete, or std::vector
using type = std::unique_ptr<int[]>;
#endif

#ifdef COMPARATOR // has a state, which does not cross | use a class without data members | std::set<int, bool
using type = std::set<int, bool (*)(int, int)>;
#endif
#ifdef HASH // has a state, which does not cross | field_of<tables, 0> | T = tables
using type = tables;
#endif

#if !defined(NOTHING_WRONG) && !defined(RAW_INSIDE) && !defined(NO_DEFAULT)
template void coproc::wire::check<type>();
#endif
