// A program whose functions have the names of those in the headers, and take anything: an argument of its
// types must not make the headers find them.
#include <coproc/connection.hpp>
#include <coproc/make_pipe.hpp>
#include <coproc/pool.hpp>
#include <coproc/process.hpp>
#include <coproc/queue.hpp>
#include <coproc/select.hpp>
#include <coproc/shared_queue.hpp>

#include <array>
#include <forward_list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

namespace user {

// The second is as good as any function that is called with template arguments.
#define FUNCTION(name)                                                                                       \
  template <class... T>                                                                                      \
  void name(T&&...) = delete;                                                                                \
  template <class A, class... T>                                                                             \
  void name(T&&...) = delete;
FUNCTION(call_and_encode)
FUNCTION(call_load)
FUNCTION(call_save)
FUNCTION(check_bools)
FUNCTION(construct_by_cereal)
FUNCTION(decode)
FUNCTION(encode)
FUNCTION(encode_as)
FUNCTION(find_among)
FUNCTION(for_each_field)
FUNCTION(keep_result)
FUNCTION(load_base_by_cereal)
FUNCTION(load_by_cereal)
FUNCTION(load_contiguous)
FUNCTION(load_value)
FUNCTION(made_of)
FUNCTION(make_aggregate)
FUNCTION(make_by_cereal)
FUNCTION(make_call)
FUNCTION(make_value)
FUNCTION(new_by_cereal)
FUNCTION(reserve_some)
FUNCTION(run_to_end)
FUNCTION(save_base_by_cereal)
FUNCTION(save_by_cereal)
FUNCTION(save_flat)
FUNCTION(save_value)
FUNCTION(tie_fields)
#undef FUNCTION

struct flat {
  bool good = false;
  int number = 0;
};
struct constant {
  const std::string text;
  const int number;
};
struct text {
  std::string s;
  std::vector<flat> flats;
  bool operator<(const text& other) const { return s < other.s; }
};
class own {
public:
  template <class Archive>
  void serialize(Archive& archive) {
    archive(text_);
  }

private:
  text text_;
};
struct own_derived : own {
  template <class Archive>
  void serialize(Archive& archive) {
    archive(cereal::base_class<own>(this));
  }
};
struct all {
  std::array<text, 2> array;
  std::array<flat, 2> flats;
  std::vector<text> vector;
  std::forward_list<text> forward_list;
  std::optional<text> optional;
  std::optional<constant> constants;
  std::variant<text, own> variant;
  std::tuple<text, own> tuple;
  std::map<text, text> map;
  std::set<text> set;
  std::unique_ptr<text> unique;
  std::vector<own_derived> own_derived_ones;
};

all same(all values) { return values; }
std::string number(std::string text, flat) { return text; }
asio::awaitable<text> later(const text& value) { co_return value; }
flat flattened(const text&) { return {}; }

asio::awaitable<void> use();
asio::awaitable<void> use() {
  coproc::process p{coproc::target<same>, all()};
  co_await p.start();
  (void)co_await p.result();
  coproc::process q{coproc::target<later>, text()};
  co_await q.start();
  (void)co_await q.result();
  coproc::pool workers(co_await asio::this_coro::executor, 1);
  (void)co_await workers.apply<number>("text", flat());
  std::vector<text> texts(2);
  (void)co_await workers.map<later>(texts);
  (void)co_await workers.map<flattened>(texts);
  auto results = workers.imap<flattened>(texts);
  (void)co_await results.next();
  auto [here, there] = coproc::make_pipe<all>();
  co_await here.send(all());
  (void)co_await there.recv();
  coproc::queue<text> queue;
  co_await queue.emplace("text");
  (void)co_await coproc::select(queue);
  coproc::shared_queue<text> shared;
  co_await shared.put(text());
  (void)co_await shared.get();
  coproc::shared_queue<std::vector<flat>> vectors;
  co_await vectors.put(std::vector<flat>());
  (void)co_await vectors.get();
}

} // namespace user
