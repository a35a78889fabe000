#include <coproc/process.hpp>

#include <coproc/this_process.hpp>

#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/method_test.hpp"
#include "support/pending.hpp"
#include "worker/targets.hpp"

#include <asio/async_result.hpp>
#include <asio/execution/context.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/query.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

using namespace coproc::test;
using namespace coproc::test::process_targets;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(process)

using coproc::exit_status;
using coproc::fork_target;
using coproc::process;
using coproc::process_options;
using coproc::start_method;
using coproc::stdio;
using coproc::target;
using coproc::this_process;

// Targets.

struct settings {
  int width = 80;
  std::string title;
  std::vector<double> weights;
};

double weigh(settings s) {
  return s.width + static_cast<double>(s.title.size()) +
         std::accumulate(s.weights.begin(), s.weights.end(), 0.0);
}

settings widen(settings s) {
  s.width *= 2;
  return s;
}

asio::awaitable<int> slowly(int n) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  for (int i = 0; i != 3; ++i) {
    timer.expires_after(1ms);
    co_await timer.async_wait(asio::use_awaitable);
    ++n;
  }
  co_return n;
}

asio::awaitable<void> slowly_nothing() { co_await slowly(0); }

struct calculator {
  static int square(int n) { return n * n; }
};

template <class T>
T twice(T value) {
  return value + value;
}

int overloaded(int) { return 1; }
int overloaded(const std::string&) { return 2; }

std::size_t by_reference(const std::vector<int>& a, std::vector<int>&& b) { return a.size() * 10 + b.size(); }
int without_exceptions(int n) noexcept { return n + 1; }

std::unique_ptr<int> increment(std::unique_ptr<int> n) { return std::make_unique<int>(*n + 1); }

int unboxed(const std::unique_ptr<int>& n) { return *n; }
#ifdef __cpp_static_call_operator
constexpr auto static_lambda = [](int n) static noexcept { return n + 1; };
#endif

std::size_t size_of(std::string text) { return text.size(); }
std::string text_of(std::size_t size) { return std::string(size, 'x'); }
std::vector<int> same(std::vector<int> v) { return v; }

struct empty {};
empty same_empty(empty e) { return e; }

int global = 1;
int change_global(int value) { return std::exchange(global, value); }

// What comes back.

METHOD_TEST(start_and_join) {
  process p{by(method), target<nothing>};
  co_await p.start();
  co_await p.join();
  BOOST_TEST((p.status() == exit_status::exited(0)));
  co_await p.result();
}

METHOD_TEST(result_comes_back) {
  process p{by(method), target<add>, 3, "abc"};
  co_await p.start();
  int sum = co_await p.result();
  BOOST_TEST(sum == 6);
  BOOST_TEST(p.exitcode().value() == 0);
}

METHOD_TEST_ONCE(result_can_be_asked_for_again_and_after_join) {
  process p{by(method), target<add>, 3, "abc"};
  co_await p.start();
  co_await p.join();
  for (int i = 0; i != 2; ++i) {
    int sum = co_await p.result();
    BOOST_TEST(sum == 6);
  }
  co_await p.join();
}

METHOD_TEST_ONCE(result_for_several_at_once) {
  process p{by(method).in(stdio::pipe()), target<end_with_input>};
  co_await p.start();
  auto first = co_await beside(p.result());
  auto second = co_await beside(p.result());
  auto third = co_await beside(p.join());
  co_await breathe();
  BOOST_TEST(!first.done());
  p.in().close();
  int one = co_await first.result();
  int two = co_await second.result();
  co_await third.result();
  BOOST_TEST(one == 7);
  BOOST_TEST(two == 7);
}

METHOD_TEST_ONCE(structs_cross) {
  settings mine{.title = "ab", .weights = {1.5, 2.5}};
  process p{by(method), target<weigh>, mine};
  co_await p.start();
  double sum = co_await p.result();
  BOOST_TEST(sum == 86);
  process q{by(method), target<widen>, std::move(mine)};
  co_await q.start();
  settings wide = co_await q.result();
  BOOST_TEST(wide.width == 160);
  BOOST_TEST(wide.title == "ab");
  BOOST_TEST(wide.weights.size() == 2u);
}

METHOD_TEST_ONCE(coroutine_runs_to_its_end) {
  process p{by(method), target<slowly>, 4};
  co_await p.start();
  int n = co_await p.result();
  BOOST_TEST(n == 7);
  process q{by(method), target<slowly_nothing>};
  co_await q.start();
  co_await q.result();
}

asio::awaitable<void> stop_own_loop() {
  asio::any_io_executor executor = co_await asio::this_coro::executor;
  static_cast<asio::io_context&>(asio::query(executor, asio::execution::context)).stop();
}

asio::awaitable<std::vector<int>> stop_own_loop_and_wait() {
  co_await stop_own_loop();
  co_await slowly(0);
  co_return std::vector<int>{1, 2, 3};
}

asio::awaitable<void> stop_own_loop_and_wait_for_nothing() { (void)co_await stop_own_loop_and_wait(); }

asio::awaitable<int> stop_own_loop_and_end() {
  co_await stop_own_loop();
  co_return 5;
}

/// Waits for what is then forgotten.
asio::awaitable<long> wait_in_vain() {
  using handler_type = asio::async_result<asio::use_awaitable_t<>, void()>::handler_type;
  static std::optional<handler_type> kept;
  asio::any_io_executor executor = co_await asio::this_coro::executor;
  asio::post(executor, [] { kept.reset(); });
  auto keep = [](handler_type handler) { kept.emplace(std::move(handler)); };
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(keep, asio::use_awaitable);
  co_return 5;
}

METHOD_TEST_ONCE(coroutine_that_cannot_complete_is_an_error) {
  const std::string text = "the coroutine did not complete";
  process stopped{by(method), target<stop_own_loop_and_wait>};
  co_await stopped.start();
  auto error = co_await thrown_by<coproc::remote_error>(stopped.result());
  CHECK_CONTAINS(error.message(), text);
  BOOST_TEST(stopped.exitcode().value() == 1);
  process nothing{by(method), target<stop_own_loop_and_wait_for_nothing>};
  co_await nothing.start();
  error = co_await thrown_by<coproc::remote_error>(nothing.result());
  CHECK_CONTAINS(error.message(), text);
  process forgotten{by(method), target<wait_in_vain>};
  co_await forgotten.start();
  error = co_await thrown_by<coproc::remote_error>(forgotten.result());
  CHECK_CONTAINS(error.message(), text);
}

METHOD_TEST_ONCE(coroutine_may_stop_its_loop_and_end) {
  process p{by(method), target<stop_own_loop_and_end>};
  co_await p.start();
  int five = co_await p.result();
  BOOST_TEST(five == 5);
}

METHOD_TEST_ONCE(every_kind_of_function_is_a_target) {
  process member{by(method), target<calculator::square>, 5};
  co_await member.start();
  int result = co_await member.result();
  BOOST_TEST(result == 25);

  process instance{by(method), target<twice<std::string>>, "ab"};
  co_await instance.start();
  std::string text = co_await instance.result();
  BOOST_TEST(text == "abab");

  process first{by(method), target<static_cast<int (*)(int)>(overloaded)>, 1};
  process second{by(method), target<static_cast<int (*)(const std::string&)>(overloaded)>, "x"};
  co_await first.start();
  co_await second.start();
  result = co_await first.result();
  BOOST_TEST(result == 1);
  result = co_await second.result();
  BOOST_TEST(result == 2);

  process lambda{by(method), target<[](int a, int b) { return a - b; }>, 5, 3};
  co_await lambda.start();
  result = co_await lambda.result();
  BOOST_TEST(result == 2);

  process quiet{by(method), target<without_exceptions>, 1};
  co_await quiet.start();
  result = co_await quiet.result();
  BOOST_TEST(result == 2);
}

METHOD_TEST_ONCE(parameters_by_reference_get_their_own) {
  std::vector<int> a(3), b(4);
  process p{by(method), target<by_reference>, a, std::move(b)};
  co_await p.start();
  std::size_t sizes = co_await p.result();
  BOOST_TEST(sizes == 34u);
  BOOST_TEST(a.size() == 3u);
}

METHOD_TEST_ONCE(move_only_things_cross) {
  process p{by(method), target<increment>, std::make_unique<int>(41)};
  co_await p.start();
  std::unique_ptr<int> n = co_await p.result();
  BOOST_REQUIRE(n);
  BOOST_TEST(*n == 42);
  n = co_await p.result();
  BOOST_TEST(*n == 42);
}

METHOD_TEST_ONCE(a_move_only_argument_may_stay_here) {
  const auto here = std::make_unique<int>(41);
  process p{by(method), target<unboxed>, here};
  co_await p.start();
  const int n = co_await p.result();
  BOOST_TEST(n == *here);
}

#ifdef __cpp_static_call_operator
METHOD_TEST_ONCE(a_static_lambda_is_a_target) {
  process p{by(method), target<static_lambda>, 41};
  co_await p.start();
  const int n = co_await p.result();
  BOOST_TEST(n == 42);
}
#endif

METHOD_TEST_ONCE(arguments_are_encoded_when_the_object_is_made) {
  std::vector<int> v{1, 2, 3};
  process p{by(method), target<same>, v};
  v.clear();
  co_await p.start();
  std::vector<int> back = co_await p.result();
  BOOST_TEST(back.size() == 3u);
}

METHOD_TEST_ONCE(nothing_and_64_mebibytes_cross) {
  const std::size_t large = std::size_t(64) << 20;
  for (std::size_t size : {std::size_t(0), std::size_t(1), std::size_t(65536), std::size_t(65537), large}) {
    process there{by(method), target<size_of>, std::string(size, 'x')};
    co_await there.start();
    std::size_t seen = co_await there.result();
    BOOST_TEST(seen == size);
    process back{by(method), target<text_of>, size};
    co_await back.start();
    std::string text = co_await back.result();
    BOOST_TEST(text.size() == size);
    if (size != 0) BOOST_TEST(text.back() == 'x');
  }
  process e{by(method), target<same_empty>, empty()};
  co_await e.start();
  co_await e.result();
}

METHOD_TEST_ONCE(memory_is_not_shared) {
  global = 5;
  process p{by(method), target<change_global>, 9};
  co_await p.start();
  int seen = co_await p.result();
  BOOST_TEST(global == 5);
  BOOST_TEST(seen == (method == start_method::fork ? 5 : 1),
             "a fork has the parent's memory, others begin anew");
}

/// What a copy of the process ends with that comes back from the function, too.
int status_of_a_copy(bool throws) {
  const pid_t copy = ::fork();
  if (copy == 0 && throws) throw std::runtime_error("the copy's");
  if (copy == 0) return -1;
  int status = 0;
  ::waitpid(copy, &status, 0);
  return status;
}

METHOD_TEST_ONCE(copy_of_the_process_that_comes_back_says_nothing) {
  for (bool throws : {false, true}) {
    process p{by(method), target<status_of_a_copy>, throws};
    co_await p.start();
    int status = co_await p.result();
    BOOST_TEST(WIFEXITED(status));
    BOOST_TEST(WEXITSTATUS(status) == (throws ? 1 : 0));
  }
}

// A fork of the host.

CO_TEST(fork_takes_captures) {
  std::string text = "captured";
  process p{fork_target, [text] { return text + " text"; }};
  co_await p.start();
  std::string back = co_await p.result();
  BOOST_TEST(back == "captured text");
}

CO_TEST_ONCE(fork_takes_what_can_only_be_moved) {
  auto n = std::make_unique<int>(4);
  process p{process_options().name("forked"), fork_target, [n = std::move(n)]() mutable { return ++*n; }};
  BOOST_TEST(p.name() == "forked");
  co_await p.start();
  int back = co_await p.result();
  BOOST_TEST(back == 5);
}

asio::awaitable<int> slowly_from(int n) { return slowly(n); }

CO_TEST_ONCE(fork_takes_a_coroutine) {
  int n = 10;
  process p{fork_target, [n] { return slowly_from(n); }};
  co_await p.start();
  int back = co_await p.result();
  BOOST_TEST(back == 13);
}

CO_TEST_ONCE(fork_target_forks_whatever_else_was_chosen) {
  process p{by(start_method::spawn), fork_target, [] { return 3; }};
  co_await p.start();
  int back = co_await p.result();
  BOOST_TEST(back == 3);
}

// Names.

std::string own_name() { return this_process::name(); }

METHOD_TEST_ONCE(name_is_as_chosen_or_counts_objects) {
  process p{by(method).name("worker one"), target<own_name>};
  BOOST_TEST(p.name() == "worker one");
  co_await p.start();
  std::string name = co_await p.result();
  BOOST_TEST(name == "worker one");

  process a{by(method), target<own_name>};
  process b{by(method), target<own_name>};
  const std::string prefix = "Process-";
  BOOST_REQUIRE(a.name().starts_with(prefix));
  BOOST_REQUIRE(b.name().starts_with(prefix));
  BOOST_TEST(std::stol(a.name().substr(prefix.size())) + 1 == std::stol(b.name().substr(prefix.size())));
  co_await b.start();
  name = co_await b.result();
  BOOST_TEST(name == b.name());
}

BOOST_AUTO_TEST_CASE(name_that_no_process_can_have_is_refused) {
  BOOST_CHECK_THROW(process_options().name(""), std::invalid_argument);
  BOOST_CHECK_THROW(process_options().name(std::string("a\0b", 3)), std::invalid_argument);
}

// Streams.

BOOST_AUTO_TEST_CASE(streams_that_make_no_sense_are_refused) {
  const auto refused = [](auto set) { return message_of<std::invalid_argument>(set); };
  process_options o;
  BOOST_TEST(refused([&] { o.in(stdio::merge()); }) ==
             "process_options::in: stdio::merge() is for stderr alone");
  BOOST_TEST(refused([&] { o.in(stdio::append("f")); }) ==
             "process_options::in: stdio::append() is for outputs");
  BOOST_TEST(refused([&] { o.out(stdio::merge()); }) ==
             "process_options::out: stdio::merge() is for stderr alone");
  BOOST_TEST(refused([&] { o.out(stdio::bytes("x")); }) ==
             "process_options::out: stdio::bytes() is for stdin alone");
  BOOST_TEST(refused([&] { o.err(stdio::bytes("x")); }) ==
             "process_options::err: stdio::bytes() is for stdin alone");
  BOOST_CHECK_NO_THROW(o.err(stdio::merge()));
}

BOOST_AUTO_TEST_SUITE_END()
