// What crosses in a queue, and what a queue crosses in.
#include <coproc/shared_queue.hpp>

#include <coproc/make_pipe.hpp>
#include <coproc/process.hpp>

#include "shared_queue/across.hpp"
#include "support/co_test.hpp"
#include "support/fault.hpp"
#include "support/leak_check.hpp"
#include "support/method_test.hpp"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <unistd.h>

using namespace coproc::test;

BOOST_AUTO_TEST_SUITE(shared_queue_crossing)

struct plain {
  int a;
  double b;
  bool c;
};

struct nested {
  std::vector<std::string> words;
  std::map<int, std::optional<double>> numbers;
};

template <class T>
T through(const T& value) {
  coproc::shared_queue<T> queue;
  queue.put_nowait(value);
  auto other = across(queue);
  return other.get_nowait();
}

BOOST_AUTO_TEST_CASE(items_of_all_kinds) {
  BOOST_TEST(through(3.5) == 3.5);
  plain flat{1, 2.5, true};
  plain got = through(flat);
  BOOST_TEST((got.a == 1 && got.b == 2.5 && got.c));
  BOOST_TEST(through(std::string("a\0b", 3)) == std::string("a\0b", 3));
  BOOST_TEST(through(std::string()).empty());
  BOOST_TEST(through(std::vector<int>{1, 2, 3}) == (std::vector<int>{1, 2, 3}));
  BOOST_TEST((through(std::vector<bool>{true, false}) == std::vector<bool>{true, false}));
  BOOST_TEST(*through(std::make_shared<int>(5)) == 5);
  nested deep{{"one", "two"}, {{1, 1.5}, {2, std::nullopt}}};
  nested deep_got = through(deep);
  BOOST_TEST(deep_got.words == deep.words);
  BOOST_TEST((deep_got.numbers == deep.numbers));
}

struct holder {
  std::string name;
  coproc::shared_queue<int> queue;
};

BOOST_AUTO_TEST_CASE(crosses_in_a_struct) {
  leak_check nothing_left;
  holder original{"name", coproc::shared_queue<int>(3)};
  coproc::detail::message message;
  coproc::wire::encode(message, original);
  auto arrived = coproc::wire::decode<holder>(message);
  arrived.queue.put_nowait(9);
  BOOST_TEST(original.queue.get_nowait() == 9);
}

BOOST_AUTO_TEST_CASE(handles_are_no_items) {
  static_assert(coproc::wire::crossable<coproc::shared_queue<int>>);
  static_assert(!coproc::wire::crossable_without_handles<coproc::shared_queue<int>>);
  static_assert(!coproc::wire::crossable_without_handles<holder>);
}

BOOST_AUTO_TEST_CASE(what_is_no_queue_is_refused) {
  leak_check nothing_left;
  coproc::shared_queue<int> queue;
  {
    coproc::detail::message message;
    coproc::wire::encode(message, queue);
    for (std::size_t i = 0; i != 4; ++i) {
      coproc::detail::message wrong;
      coproc::wire::output_archive archive(wrong);
      for (std::size_t j = 0; j != 4; ++j) archive.attach(j == i ? ::dup(2) : message.take(j));
      BOOST_CHECK_THROW(coproc::wire::decode<coproc::shared_queue<int>>(wrong), std::system_error);
      coproc::wire::encode(message = {}, queue);
    }
  }
  coproc::detail::message none;
  const std::uint32_t indices[4] = {};
  none.append(indices, sizeof indices);
  BOOST_CHECK_THROW(coproc::wire::decode<coproc::shared_queue<int>>(none), coproc::wire::error);
}

using numbers = coproc::shared_queue<int>;

struct order {
  std::vector<numbers> in;
  std::map<std::string, numbers> out;
};

/// Says itself how it is written: nobody else knows what it holds.
class by_cereal {
public:
  by_cereal() = default;
  explicit by_cereal(numbers hidden) : hidden_(std::move(hidden)) {}
  template <class Archive>
  void serialize(Archive& archive) {
    archive(hidden_);
  }
  numbers& hidden() { return hidden_; }

private:
  numbers hidden_;
};

void double_all(order work, std::optional<numbers> more, by_cereal hidden) {
  for (numbers& in : work.in) work.out.at("doubled").blocking_put(2 * in.blocking_get());
  if (more) more->blocking_put(7);
  hidden.hidden().blocking_put(8);
}

METHOD_TEST_ONCE(crosses_inside_of_arguments) {
  order work;
  for (int i = 1; i != 4; ++i) {
    work.in.emplace_back();
    work.in.back().put_nowait(i);
  }
  numbers doubled, more, hidden;
  work.out.emplace("doubled", doubled);
  coproc::process child(by(method), coproc::target<double_all>, work, std::optional(more), by_cereal(hidden));
  co_await child.start();
  co_await child.result();
  for (int i = 1; i != 4; ++i) BOOST_TEST(doubled.get_nowait() == 2 * i);
  BOOST_TEST(more.get_nowait() == 7);
  BOOST_TEST(hidden.get_nowait() == 8);
}

CO_TEST(crosses_through_a_connection) {
  auto [here, there] = coproc::make_pipe<order>();
  order sent;
  sent.in.emplace_back(3);
  numbers out;
  sent.out.emplace("out", out);
  co_await here.send(sent);
  order got = co_await there.recv();
  got.out.at("out").put_nowait(got.in.at(0).full() ? 0 : 5);
  got.in.at(0).put_nowait(6);
  BOOST_TEST(out.get_nowait() == 5);
  BOOST_TEST(sent.in[0].get_nowait() == 6);
}

BOOST_AUTO_TEST_CASE(item_that_hides_a_handle_is_refused) {
  leak_check nothing_left;
  coproc::shared_queue<by_cereal> queue;
  BOOST_CHECK_THROW(queue.put_nowait(by_cereal()), std::logic_error);
  BOOST_TEST(queue.empty());
}

BOOST_AUTO_TEST_CASE(to_arrive_makes_no_other_queue) {
  order work;
  work.in.emplace_back();
  work.out.emplace("out", numbers());
  coproc::detail::message message;
  coproc::wire::encode(message, work);
  fault none(coproc::os::call::memfd_create, EMFILE);
  auto got = coproc::wire::decode<order>(message);
  BOOST_TEST(none.hits() == 0u);
  got.in.at(0).put_nowait(1);
  BOOST_TEST(work.in[0].get_nowait() == 1);
}

/// An item that reports to a queue when it is sent.
struct reporting {
  std::string first, second;
  coproc::shared_queue<reporting>* log = nullptr;

  template <class Archive>
  void save(Archive& archive) const {
    archive(first);
    if (log) log->put_nowait({"report of " + first, "", nullptr});
    archive(second);
  }
  template <class Archive>
  void load(Archive& archive) {
    archive(first, second);
  }
};

BOOST_AUTO_TEST_CASE(item_that_puts_another_one_by_the_same_handle) {
  coproc::shared_queue<reporting> queue;
  queue.put_nowait({"first", "second", &queue});
  BOOST_TEST(queue.qsize() == 2u);
  BOOST_TEST(queue.get_nowait().first == "report of first");
  const reporting got = queue.get_nowait();
  BOOST_TEST(got.first == "first");
  BOOST_TEST(got.second == "second");
}

BOOST_AUTO_TEST_CASE(large_item_stays_in_the_queue_alone) {
  coproc::shared_queue<std::vector<std::string>> queue;
  const auto before = observe().descriptors.size(); // the memory of an encoded item is one
  queue.put_nowait({std::string(1 << 20, 'x')});
  BOOST_TEST(observe().descriptors.size() == before);
  BOOST_TEST(queue.get_nowait().at(0).size() == 1u << 20);
}

struct letter {
  std::string text;
  coproc::shared_queue<int> queue;
};

BOOST_AUTO_TEST_CASE(a_handle_that_does_not_fit_into_a_message_leaves_nothing_behind) {
  leak_check nothing_left;
  letter one;
  // The length and the text leave no room in the message's buffer for what stands for a descriptor.
  one.text.resize(coproc::detail::message::segment_threshold - sizeof(std::uint64_t) - 1);
  coproc::detail::message message;
  fault out(coproc::os::call::memfd_create, EMFILE);
  BOOST_CHECK_THROW(coproc::wire::encode(message, one), std::system_error);
  BOOST_TEST(out.hits() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
