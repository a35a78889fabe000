#include <coproc/remote_error.hpp>

#include <coproc/process.hpp>

#include "support/expect.hpp"
#include "support/method_test.hpp"

#include <cereal/cereal.hpp>

#include <exception>
#include <ios>
#include <stdexcept>
#include <string>
#include <vector>

using namespace coproc::test;

BOOST_AUTO_TEST_SUITE(remote_error)

using coproc::fork_target;
using coproc::process;
using coproc::start_method;
using coproc::stdio;
using coproc::target;

void throw_runtime_error(std::string text) { throw std::runtime_error(text); }

struct speechless : std::exception {
  const char* what() const noexcept override { return nullptr; }
};
void throw_speechless() { throw speechless(); }

METHOD_TEST_ONCE(exception_that_says_nothing) {
  process p{by(method), target<throw_speechless>};
  co_await p.start();
  auto error = co_await thrown_by<coproc::remote_error>(p.result());
  BOOST_TEST(error.message().empty());
  CHECK_CONTAINS(error.type(), "speechless");
}

METHOD_TEST(exception_comes_with_type_message_function_and_id) {
  process p{by(method), target<throw_runtime_error>, "the reason"};
  co_await p.start();
  auto error = co_await thrown_by<coproc::remote_error>(p.result());
  BOOST_TEST(error.type() == "std::runtime_error");
  BOOST_TEST(error.message() == "the reason");
  BOOST_TEST(error.pid() == p.pid());
  CHECK_CONTAINS(error.function(), "throw_runtime_error");
  const std::string what = error.what();
  CHECK_CONTAINS(what, "std::runtime_error: the reason");
  CHECK_CONTAINS(what, "throw_runtime_error");
  CHECK_CONTAINS(what, std::to_string(p.pid()));
  BOOST_TEST(p.exitcode().value() == 1);
  co_await p.join(); // only waits
  auto again = co_await thrown_by<coproc::remote_error>(p.result());
  BOOST_TEST(std::string(again.what()) == what);
}

asio::awaitable<int> throw_from_coroutine() {
  throw std::out_of_range("too far");
  co_return 1;
}

METHOD_TEST_ONCE(exception_of_a_coroutine) {
  process p{by(method), target<throw_from_coroutine>};
  co_await p.start();
  auto error = co_await thrown_by<coproc::remote_error>(p.result());
  BOOST_TEST(error.type() == "std::out_of_range");
}

void read_settings() {
  try {
    try {
      throw std::ios_base::failure("disk");
    } catch (...) {
      std::throw_with_nested(std::runtime_error("cannot read"));
    }
  } catch (...) {
    std::throw_with_nested(std::logic_error("no settings"));
  }
}

METHOD_TEST_ONCE(causes_come_along) {
  process p{by(method), target<read_settings>};
  co_await p.start();
  auto error = co_await thrown_by<coproc::remote_error>(p.result());
  BOOST_REQUIRE(error.chain().size() == 3u);
  BOOST_TEST(error.chain()[0].type == "std::logic_error");
  BOOST_TEST(error.chain()[0].message == "no settings");
  BOOST_TEST(error.chain()[1].type == "std::runtime_error");
  BOOST_TEST(error.chain()[1].message == "cannot read");
  CHECK_CONTAINS(error.chain()[2].type, "failure");
  CHECK_CONTAINS(error.chain()[2].message, "disk");
  CHECK_CONTAINS(std::string(error.what()), "caused by std::runtime_error: cannot read");
}

void throw_nested_in_nothing() { std::throw_with_nested(std::runtime_error("no cause")); }

METHOD_TEST_ONCE(cause_may_be_missing) {
  process p{by(method), target<throw_nested_in_nothing>};
  co_await p.start();
  auto error = co_await thrown_by<coproc::remote_error>(p.result());
  BOOST_REQUIRE(error.chain().size() == 1u);
  BOOST_TEST(error.message() == "no cause");
}

struct reason {};
void throw_number() { throw 42; }
void throw_struct() { throw reason(); }

METHOD_TEST_ONCE(whatever_is_thrown_has_a_type) {
  process number{by(method), target<throw_number>};
  co_await number.start();
  auto error = co_await thrown_by<coproc::remote_error>(number.result());
  BOOST_TEST(error.type() == "int");
  BOOST_TEST(error.message() == "");
  process object{by(method), target<throw_struct>};
  co_await object.start();
  error = co_await thrown_by<coproc::remote_error>(object.result());
  BOOST_TEST(error.type() == "remote_error::reason");
}

METHOD_TEST_ONCE(message_of_any_size) {
  for (std::size_t size : {std::size_t(0), std::size_t(1'000'000)}) {
    process p{by(method), target<throw_runtime_error>, std::string(size, 'x')};
    co_await p.start();
    auto error = co_await thrown_by<coproc::remote_error>(p.result());
    BOOST_TEST(error.message().size() == size);
  }
}

/// Refuses to be written, or to be read.
struct stubborn {
  bool on_save = false;
  bool on_load = false;
  template <class Archive>
  void save(Archive& archive) const {
    if (on_save) throw std::domain_error("not for export");
    archive(on_load);
  }
  template <class Archive>
  void load(Archive& archive) {
    archive(on_load);
    if (on_load) throw std::domain_error("not for import");
  }
};

stubborn give_stubborn(bool on_save, bool on_load) { return {on_save, on_load}; }
int take_stubborn(stubborn) { return 1; }

METHOD_TEST_ONCE(exception_from_encoding_the_result_is_the_childs) {
  process p{by(method), target<give_stubborn>, true, false};
  co_await p.start();
  auto error = co_await thrown_by<coproc::remote_error>(p.result());
  BOOST_TEST(error.type() == "std::domain_error");
  BOOST_TEST(error.message() == "not for export");
}

METHOD_TEST_ONCE(exception_from_decoding_an_argument_is_the_childs) {
  process p{by(method), target<take_stubborn>, stubborn{.on_save = false, .on_load = true}};
  co_await p.start();
  auto error = co_await thrown_by<coproc::remote_error>(p.result());
  BOOST_TEST(error.message() == "not for import");
}

METHOD_TEST_ONCE(exception_from_decoding_the_result_is_the_hosts) {
  process p{by(method), target<give_stubborn>, false, true};
  co_await p.start();
  co_await p.join();
  BOOST_TEST(p.exitcode().value() == 0);
  auto error = co_await thrown_by<std::domain_error>(p.result());
  BOOST_TEST(std::string(error.what()) == "not for import");
}

CO_TEST_ONCE(exception_of_a_callable) {
  const std::string text = "captured";
  process p{fork_target, [text] { throw std::runtime_error(text); }};
  co_await p.start();
  auto error = co_await thrown_by<coproc::remote_error>(p.result());
  BOOST_TEST(error.message() == "captured");
}

BOOST_AUTO_TEST_CASE(copy_of_an_error_is_the_error) {
  std::vector<coproc::remote_error::exception> chain{{"type", "message"}};
  coproc::remote_error error(chain, "function", 7);
  coproc::remote_error copy = error;
  BOOST_TEST(copy.type() == "type");
  BOOST_TEST(copy.message() == "message");
  BOOST_TEST(copy.function() == "function");
  BOOST_TEST(copy.pid() == 7);
  BOOST_TEST(std::string(copy.what()) == "function (process 7) threw type: message");
  BOOST_TEST(dynamic_cast<const coproc::error*>(static_cast<const std::exception*>(&copy)));
}

BOOST_AUTO_TEST_SUITE_END()
