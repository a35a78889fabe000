// Arguments and results on their way: of any size, in chunks, and such that can't be written or read.
#include <coproc/pool.hpp>

#include "os/socket.hpp"
#include "pool/list_of.hpp"
#include "pool/targets.hpp"
#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/pending.hpp"
#include "support/unsendable.hpp"

#include <cerrno>
#include <cstddef>
#include <ranges>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

using namespace coproc::test;

BOOST_AUTO_TEST_SUITE(pool_encoding)

namespace t = coproc::test::pool_targets;
using coproc::async_result;
using coproc::map_options;
using t::announcements;

CO_TEST_ONCE(large_arguments_and_results_cross) {
  coproc::pool workers(co_await this_executor(), 2);
  for (std::size_t size : {1u, 100u, 5'000u, 16'383u, 16'384u, 17'000u, 100'000u, 300'000u, 3'000'000u}) {
    std::string text(size, 'x');
    text.back() = 'y';
    const std::string twice = co_await workers.apply<t::twice>(text);
    BOOST_TEST((twice == text + text));
  }
}

CO_TEST_ONCE(many_sizes_wrap_around_the_ring) {
  coproc::pool workers(co_await this_executor(), 2);
  std::vector<async_result<std::string>> results;
  for (std::size_t i = 0; i != 600; ++i)
    results.push_back(
        workers.apply_async<t::twice>(std::string((i * 131) % 9000, static_cast<char>('a' + i % 26))));
  for (std::size_t i = 0; i != 600; ++i) {
    const std::string got = co_await results[i].get();
    BOOST_TEST((got == std::string(2 * ((i * 131) % 9000), static_cast<char>('a' + i % 26))));
  }
}

struct padded {
  char letter;
  int number;
};
int number_of(padded p) { return p.number + p.letter; }
padded make_padded(int x) { return {'a', x}; }

CO_TEST_ONCE(flat_structs_cross_in_blocks) {
  coproc::pool workers(co_await this_executor(), 2);
  std::vector<padded> items;
  for (int i = 0; i != 1000; ++i) items.push_back({'a', i});
  auto numbers = co_await workers.map<number_of>(items);
  for (int i = 0; i != 1000; ++i) BOOST_TEST(numbers[std::size_t(i)] == i + 'a');
  auto back = co_await workers.map<make_padded>(numbers);
  BOOST_TEST(back[999].number == 999 + 'a');
}

CO_TEST_ONCE(items_with_handles_travel_in_chunks_that_can_carry_them) {
  coproc::pool workers(co_await this_executor(), 1);
  announcements talk;
  std::vector<announcements> items(300, talk); // more descriptors than one message takes
  co_await workers.map<t::announce>(items, map_options().chunk_size(300));
  BOOST_TEST(talk.qsize() == 300u);
}

/// An argument that can't be encoded if it is 5, as is noticed when half of it is written.
struct picky {
  int x = 0;
  template <class A>
  void save(A& to) const {
    to(x);
    if (x == 5) throw std::runtime_error("not five");
    to(x);
  }
  template <class A>
  void load(A& from) {
    from(x, x);
  }
};
int value_of(const picky& p) { return p.x; }
picky picky_one(int x) {
  picky made;
  made.x = x;
  return made;
}

CO_TEST_ONCE(what_an_argument_throws_when_it_is_encoded_comes_last) {
  coproc::pool workers(co_await this_executor(), 2);
  auto all = std::views::iota(0, 10) | std::views::transform(picky_one);
  for (std::size_t chunk : {1u, 3u, 100u}) {
    auto items = workers.imap<value_of>(all, map_options().chunk_size(chunk));
    for (int i = 0; i != 5; ++i) {
      auto got = co_await items.next();
      BOOST_TEST(got.value() == i);
    }
    (void)co_await thrown_by<std::runtime_error>(items.next());
    auto end = co_await items.next();
    BOOST_TEST(!end.has_value());
  }
  auto five = picky_one(5);
  BOOST_CHECK_THROW((void)workers.apply_async<value_of>(five), std::runtime_error);
  (void)co_await thrown_by<std::runtime_error>([&] { return workers.apply<value_of>(five); });
  (void)co_await thrown_by<std::runtime_error>(workers.map<value_of>(all));
  const int four = co_await workers.apply<value_of>(picky_one(4));
  BOOST_TEST(four == 4);
}

CO_TEST_ONCE(results_may_be_nothing_or_only_movable) {
  coproc::pool workers(co_await this_executor(), 2);
  auto texts = list_of<std::string>("", "");
  auto done = workers.imap<t::print>(texts);
  int count = 0;
  while (co_await done.next()) ++count;
  BOOST_TEST(count == 2);
  auto nothing = workers.apply_async<t::nothing>();
  for (int i = 0; i != 2; ++i) co_await nothing.get();
  auto boxes = co_await workers.map<t::boxed>(list_of<int>(1, 2, 3));
  BOOST_TEST(*boxes.at(2) == 3);
  auto values = co_await workers.map<t::unboxed>(boxes); // where they are
  BOOST_TEST(values.at(2) == 3);
  auto more = workers.imap_unordered<t::boxed>(list_of<int>(4));
  auto four = co_await more.next();
  BOOST_TEST(**four == 4);
}

/// Throws when it is read; half of it has been by then.
struct throws_when_read {
  int x = 0;
  template <class A>
  void save(A& to) const {
    to(x, x);
  }
  template <class A>
  void load(A& from) {
    from(x);
    if (x % 10 == 3) throw std::runtime_error("no good: " + std::to_string(x));
    from(x);
  }
};
int take_it(throws_when_read value) { return value.x; }
throws_when_read give_it(int x) {
  throws_when_read made;
  made.x = x;
  return made;
}

CO_TEST_ONCE(an_item_that_cannot_be_read_fails_alone) {
  coproc::pool workers(co_await this_executor(), 2);
  auto all = std::views::iota(0, 30) | std::views::transform(give_it);
  for (std::size_t chunk : {1u, 4u, 100u}) {
    auto items = workers.imap<take_it>(all, map_options().chunk_size(chunk));
    for (int i = 0; i != 30; ++i) {
      bool failed = false;
      try {
        auto got = co_await items.next();
        BOOST_TEST(got.value() == i);
      } catch (const coproc::remote_error& error) {
        BOOST_TEST(error.message() == "no good: " + std::to_string(i));
        failed = true;
      }
      BOOST_TEST(failed == (i % 10 == 3));
    }
  }
  // Those that can't be read here: nothing is made up for the ones that came with them.
  auto items = workers.imap<give_it>(std::views::iota(0, 30), map_options().chunk_size(5));
  for (int i = 0; i != 30; ++i) {
    try {
      auto got = co_await items.next();
      BOOST_TEST(got.value().x == i);
    } catch (const std::runtime_error& error) {
      CHECK_CONTAINS(std::string(error.what()), "no good");
      BOOST_TEST(i % 10 >= 3);
    }
  }
  auto end = co_await items.next();
  BOOST_TEST(!end.has_value());
}

struct cannot_be_written {
  template <class A>
  void save(A&) const {
    throw std::runtime_error("this can't be written");
  }
  template <class A>
  void load(A&) {}
};
cannot_be_written make_unwritable() { return {}; }

using text_end = coproc::connection<std::string>;
text_end give_back(text_end end) { return end; }

CO_TEST_ONCE(a_worker_keeps_no_handle_of_its_last_result) {
  coproc::pool workers(co_await this_executor(), 1);
  auto [here, there] = coproc::make_pipe<std::string>();
  {
    auto back = workers.apply<give_back>(std::move(there));
    text_end end = co_await std::move(back);
  }
  co_await thrown_by<coproc::connection_closed>([&] { return here.recv(); });
}

CO_TEST_ONCE(a_task_that_is_not_taken_leaves_the_handles_of_its_arguments_here) {
  coproc::pool workers(co_await this_executor(), coproc::pool_options().size(1).max_pending(1));
  auto [here, there] = coproc::make_pipe<std::string>();
  announcements started;
  auto running = workers.apply_async<t::announce_and_pause>(started);
  (void)co_await started.get();
  auto queued = workers.apply_async<t::nothing>();
  BOOST_CHECK_THROW((void)workers.apply_async<give_back>(std::move(there)), coproc::queue_full);
  BOOST_TEST(there.is_open());
  workers.terminate();
  BOOST_CHECK_THROW((void)workers.apply_async<give_back>(std::move(there)), coproc::pool_closed);
  BOOST_TEST(there.is_open());
}

CO_TEST_ONCE(a_result_that_cannot_be_encoded_is_that_tasks_error) {
  coproc::pool workers(co_await this_executor(), 1);
  auto error = co_await thrown_by<coproc::remote_error>(workers.apply<make_unwritable>());
  BOOST_TEST(error.message() == "this can't be written");
}

CO_TEST_ONCE(a_result_that_cannot_be_sent_is_that_tasks_error) {
  coproc::pool workers(co_await this_executor(), 1);
  const int worker = co_await workers.apply<t::own_pid>();
  const std::vector<std::size_t> counts = list_of<std::size_t>(1, coproc::os::max_descriptors + 1, 2);
  auto items = workers.imap<many_ends>(counts, map_options().chunk_size(3));
  auto one = co_await items.next();
  BOOST_TEST(one.value().size() == 1u);
  auto error = co_await thrown_by<coproc::remote_error>(items.next());
  CHECK_CONTAINS(error.message(), "the result can't be sent: it has more than 253 descriptors");
  auto two = co_await items.next();
  BOOST_TEST(two.value().size() == 2u);
  for (int number : {ENOMEM, ENOBUFS}) {
    error = co_await thrown_by<coproc::remote_error>(workers.apply<fail_to_send>(number, 1u));
    CHECK_CONTAINS(error.message(), "the result can't be sent: " + std::system_category().message(number));
  }
  const int still = co_await workers.apply<t::own_pid>();
  BOOST_TEST(still == worker);
}

BOOST_AUTO_TEST_SUITE_END()
