// What is left when processes die, or stop, in the middle of an operation on a ring.
//
// COPROC_DEATH_STEPS: every how many-th instruction to die at (1: all); COPROC_CHAOS_SECONDS: how long to
// kill at random.
#include "ipc/shared_ring.hpp"

#include "ipc/ring_support.hpp"
#include "ipc/shared_blocks.hpp"
#include "ipc/stepped.hpp"
#include "support/co_test.hpp"
#include "support/expect.hpp"
#include "support/forked.hpp"
#include "support/process_info.hpp"

#include <boost/test/results_collector.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include <poll.h>
#include <signal.h>
#include <unistd.h>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(shared_ring_deaths)

using coproc::detail::ring_gate;
using coproc::detail::ring_layout;
using coproc::detail::ring_result;
using coproc::detail::shared_blocks;
using ring_type = coproc::detail::shared_ring;

bool is_done(ring_result result) { return result == ring_result::done; }

auto in(std::chrono::milliseconds time) { return std::chrono::steady_clock::now() + time; }

bool readable(int event) {
  pollfd look{event, POLLIN, 0};
  return ::poll(&look, 1, 0) == 1;
}

/// Waits until @p truth says yes; for what has no event of its own.
bool soon(const std::function<bool()>& truth) {
  const auto end = std::chrono::steady_clock::now() + deadline();
  while (!truth()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(100us);
  }
  return true;
}

/// A process that gets one item, and is asleep when the constructor returns.
class sleeping_getter {
public:
  explicit sleeping_getter(ring_type& ring)
      : child_([&ring] {
          byte_sink sink;
          if (!is_done(ring.get(sink, never))) throw std::runtime_error("closed");
        }) {
    ring_memory memory(ring);
    asleep_ = soon([&] {
      return memory.layout().putters.gates[0].sleepers != 0 && process_state_of(child_.pid()) == 'S';
    });
  }
  bool asleep() const { return asleep_; }
  bool ends() {
    gone_ = soon([&] { return process_state_of(child_.pid()) == 'Z'; });
    return gone_ && child_.ended_well();
  }
  bool gone() const { return gone_; }
  pid_t pid() const { return child_.pid(); }
  const forked& process() const { return child_; }

private:
  forked child_;
  bool asleep_ = false;
  bool gone_ = false;
};

/// The same for an item that is put.
class sleeping_putter {
public:
  explicit sleeping_putter(ring_type& ring)
      : child_([&ring] {
          if (!is_done(put(ring, std::uint64_t{99}))) throw std::runtime_error("closed");
        }) {
    ring_memory memory(ring);
    asleep_ = soon([&] {
      return memory.layout().getters.gates[0].sleepers != 0 && process_state_of(child_.pid()) == 'S';
    });
  }
  bool asleep() const { return asleep_; }
  bool ends() {
    bool ended = soon([&] { return process_state_of(child_.pid()) == 'Z'; });
    return ended && child_.ended_well();
  }

private:
  forked child_;
  bool asleep_ = false;
};

/// Lets a process die at every so many-th instruction of @p victim, each time on a fresh ring that @p prepare
/// has been called for, and calls @p check afterwards.
struct death {
  std::function<std::unique_ptr<ring_type>()> prepare;
  std::function<void(ring_type&)> victim;
  std::function<void(ring_type&)> check; // with the dead one
  std::size_t most = 30;                 // deaths, about

  void everywhere() const {
    long all = 0;
    {
      auto ring = prepare();
      stepped whole([] {}, [&] { victim(*ring); });
      if (!whole.possible()) {
        BOOST_TEST_MESSAGE("processes can't be traced here");
        return;
      }
      while (!whole.finished()) {
        whole.step(1);
        ++all;
      }
      whole.kill();
    }
    const long every = static_cast<long>(scale_from_environment("COPROC_DEATH_STEPS", 0));
    const long stride = every != 0 ? every : std::max(1L, all / static_cast<long>(most));
    // Another part of them in each run.
    for (long at = every == 1 ? 0 : ::getpid() % stride; at <= all; at += stride) {
      BOOST_TEST_INFO_SCOPE("dies at instruction " << at << " of " << all);
      auto ring = prepare();
      {
        stepped one([] {}, [&] { victim(*ring); });
        one.step(at);
        one.kill();
      }
      check(*ring);
      const auto& test = boost::unit_test::framework::current_test_case();
      if (!boost::unit_test::results_collector.results(test.p_id).passed()) return;
    }
  }
};

/// That the queue works, and holds nothing but those of @p expected.
void check_works(ring_type& ring, const std::vector<std::uint64_t>& expected) {
  for (std::uint64_t value : expected) BOOST_TEST(get<std::uint64_t>(ring) == value);
  BOOST_TEST(ring.size() == 0u);
  BOOST_TEST(is_done(ring.try_put(bytes_of(std::uint64_t{1000}), in(5s))));
  BOOST_TEST(is_done(ring.try_put(bytes_of(stamped::make(200'000, 5)), in(5s))));
  BOOST_TEST(is_done(ring.try_put(bytes_of(std::uint64_t{1001}), in(5s))));
  BOOST_TEST(get<std::uint64_t>(ring) == 1000u);
  byte_sink sink;
  BOOST_TEST(is_done(ring.try_get(sink, in(5s))));
  BOOST_TEST((sink.bytes == stamped::make(200'000, 5)));
  BOOST_TEST(get<std::uint64_t>(ring) == 1001u);
  BOOST_TEST(ring.size() == 0u);
}

std::unique_ptr<ring_type> with_items(std::uint64_t count, std::ptrdiff_t maxsize = 0) {
  auto ring = std::make_unique<ring_type>(maxsize);
  for (std::uint64_t i = 0; i != count; ++i) put(*ring, i);
  return ring;
}

BOOST_AUTO_TEST_CASE(a_put) {
  death{
      [] { return with_items(2); }, [](ring_type& ring) { put(ring, std::uint64_t{2}); },
      [](ring_type& ring) {
        const std::size_t size = ring.size();
        BOOST_TEST((size == 2 || size == 3));
        check_works(ring, size == 3 ? std::vector<std::uint64_t>{0, 1, 2} : std::vector<std::uint64_t>{0, 1});
      }}
      .everywhere();
}

/// An item that leaves 16 bytes of a fresh block.
std::vector<std::byte> nearly_a_block() {
  return stamped::make(shared_blocks::usual_size - shared_blocks::head - shared_blocks::tail - 24, 3);
}

// (An item that is copied by instructions that are many at once, as `rep movsb`, would take as many steps: so
// those that are put by a process that dies are small.)
BOOST_AUTO_TEST_CASE(put_that_needs_memory) {
  death{[&] {
          auto ring = std::make_unique<ring_type>(0);
          put(*ring, nearly_a_block());
          return ring;
        },
        [&](ring_type& ring) {
          put(ring, std::uint64_t{2});
          put(ring, std::uint64_t{3});
        },
        [&](ring_type& ring) {
          const std::size_t size = ring.size();
          byte_sink sink;
          BOOST_TEST(is_done(ring.try_get(sink, in(5s))));
          BOOST_TEST((sink.bytes == nearly_a_block()));
          std::vector<std::uint64_t> left;
          for (std::uint64_t i = 0; i != size - 1; ++i) left.push_back(2 + i);
          check_works(ring, left);
          ring_memory memory(ring);
          BOOST_TEST(memory.size_now() < 1'000'000u);
        }}
      .everywhere();
}

BOOST_AUTO_TEST_CASE(put_that_reuses_blocks) {
  const auto piece = nearly_a_block();
  death{[&] {
          auto ring = std::make_unique<ring_type>(0);
          byte_sink sink;
          for (int i = 0; i != 9; ++i) put(*ring, piece);
          for (int i = 0; i != 8; ++i) ring->try_get(sink, never);
          return ring;
        },
        [&](ring_type& ring) { put(ring, std::uint64_t{2}); },
        [&](ring_type& ring) {
          const std::size_t size = ring.size();
          BOOST_TEST((size == 1 || size == 2));
          byte_sink sink;
          for (int i = 0; i != 20; ++i) put(ring, piece);
          for (std::size_t i = 0; i != size + 20; ++i) {
            BOOST_TEST(is_done(ring.try_get(sink, in(5s))));
            if (i == 1 && size == 2)
              BOOST_TEST(sink.bytes.size() == 8u);
            else
              BOOST_TEST((sink.bytes == piece));
          }
          check_works(ring, {});
        }}
      .everywhere();
}

BOOST_AUTO_TEST_CASE(a_get) {
  death{
      [] { return with_items(3); },
      [](ring_type& ring) {
        byte_sink sink;
        ring.get(sink, never);
      },
      [](ring_type& ring) {
        const std::size_t size = ring.size();
        BOOST_TEST((size == 2 || size == 3));
        check_works(ring, size == 3 ? std::vector<std::uint64_t>{0, 1, 2} : std::vector<std::uint64_t>{1, 2});
      }}
      .everywhere();
}

BOOST_AUTO_TEST_CASE(get_from_the_next_block) {
  death{[&] {
          auto ring = std::make_unique<ring_type>(0);
          put(*ring, nearly_a_block());
          put(*ring, std::uint64_t{7});
          put(*ring, std::uint64_t{8});
          byte_sink sink;
          ring->try_get(sink, never);
          return ring;
        },
        [](ring_type& ring) {
          byte_sink sink;
          ring.get(sink, never);
        },
        [&](ring_type& ring) {
          const std::size_t size = ring.size();
          BOOST_TEST((size == 1 || size == 2));
          check_works(ring, size == 2 ? std::vector<std::uint64_t>{7, 8} : std::vector<std::uint64_t>{8});
        }}
      .everywhere();
}

BOOST_AUTO_TEST_CASE(task_done_and_join) {
  death{[] {
          auto ring = with_items(1);
          get<std::uint64_t>(*ring);
          BOOST_TEST((ring->arm(ring_gate::done) == ring_result::not_yet));
          return ring;
        },
        [](ring_type& ring) { ring.task_done(never); },
        [](ring_type& ring) {
          if (ring.unfinished() == 0)
            BOOST_TEST(readable(ring.event(ring_gate::done)));
          else
            BOOST_TEST(is_done(ring.task_done(in(5s))));
          BOOST_TEST(is_done(ring.wait_until_done(in(5s))));
          check_works(ring, {});
        }}
      .everywhere();
}

BOOST_AUTO_TEST_CASE(a_close) {
  death{[] {
          auto ring = with_items(1, 1);
          BOOST_TEST((ring->arm(ring_gate::room) == ring_result::not_yet));
          return ring;
        },
        [](ring_type& ring) { ring.close(); },
        [](ring_type& ring) {
          BOOST_TEST(get<std::uint64_t>(ring) == 0u);
          byte_sink sink;
          if (ring.closed()) {
            BOOST_TEST((ring.try_get(sink, in(5s)) == ring_result::closed));
            BOOST_TEST((ring.try_put(bytes_of(1), in(5s)) == ring_result::closed));
          } else {
            BOOST_TEST(is_done(ring.try_put(bytes_of(std::uint64_t{3}), in(5s))));
            BOOST_TEST(get<std::uint64_t>(ring) == 3u);
            ring.close();
            BOOST_TEST((ring.try_get(sink, in(5s)) == ring_result::closed));
          }
        }}
      .everywhere();
}

// No wake-up is lost: either nothing has happened, or those who wait learn of it with no help.

BOOST_AUTO_TEST_CASE(put_while_a_getter_sleeps) {
  std::unique_ptr<sleeping_getter> getter;
  death{[&] {
          auto ring = std::make_unique<ring_type>(0);
          getter = std::make_unique<sleeping_getter>(*ring);
          BOOST_TEST(getter->asleep());
          return ring;
        },
        [](ring_type& ring) { put(ring, std::uint64_t{2}); },
        [&](ring_type& ring) {
          ring_memory memory(ring);
          if (memory.layout().put == 0) put(ring, std::uint64_t{3});
          BOOST_TEST(getter->ends());
          check_works(ring, {});
        },
        30}
      .everywhere();
}

BOOST_AUTO_TEST_CASE(put_while_a_loop_waits) {
  death{[&] {
          auto ring = std::make_unique<ring_type>(0);
          BOOST_TEST((ring->arm(ring_gate::items) == ring_result::not_yet));
          return ring;
        },
        [](ring_type& ring) { put(ring, std::uint64_t{2}); },
        [&](ring_type& ring) {
          if (ring.size() == 0) {
            // It may have been signalled; whoever finds nothing clears it.
            BOOST_TEST((ring.arm(ring_gate::items) == ring_result::not_yet));
            BOOST_TEST(!readable(ring.event(ring_gate::items)));
            put(ring, std::uint64_t{2});
          }
          BOOST_TEST(readable(ring.event(ring_gate::items)));
          check_works(ring, {2});
        }}
      .everywhere();
}

BOOST_AUTO_TEST_CASE(get_while_a_putter_sleeps) {
  std::unique_ptr<sleeping_putter> putter;
  death{[&] {
          auto ring = with_items(1, 1);
          putter = std::make_unique<sleeping_putter>(*ring);
          BOOST_TEST(putter->asleep());
          return ring;
        },
        [](ring_type& ring) {
          byte_sink sink;
          ring.get(sink, never);
        },
        [&](ring_type& ring) {
          ring_memory memory(ring);
          if (memory.layout().got == 0) BOOST_TEST(get<std::uint64_t>(ring) == 0u);
          BOOST_TEST(putter->ends());
          BOOST_TEST(get<std::uint64_t>(ring) == 99u);
        },
        30}
      .everywhere();
}

BOOST_AUTO_TEST_CASE(going_to_sleep) {
  // A getter that dies on its way to sleep; the first instructions are those of waiting awake.
  death{[] { return std::make_unique<ring_type>(0); },
        [](ring_type& ring) {
          byte_sink sink;
          ring.get(sink, in(1ms));
        },
        [](ring_type& ring) { check_works(ring, {}); }, 40}
      .everywhere();
}

BOOST_AUTO_TEST_CASE(arming_an_event) {
  death{[] {
          auto ring = std::make_unique<ring_type>(0);
          BOOST_TEST((ring->arm(ring_gate::items) == ring_result::not_yet));
          put(*ring, std::uint64_t{1});
          get<std::uint64_t>(*ring);
          return ring; // signalled, and to be cleared
        },
        [](ring_type& ring) { ring.arm(ring_gate::items); },
        [](ring_type& ring) {
          BOOST_TEST((ring.arm(ring_gate::items) == ring_result::not_yet));
          BOOST_TEST(!readable(ring.event(ring_gate::items)));
          put(ring, std::uint64_t{5});
          BOOST_TEST(readable(ring.event(ring_gate::items)));
          check_works(ring, {5});
        }}
      .everywhere();
}

BOOST_AUTO_TEST_CASE(close_wakes_who_sleeps) {
  ring_type ring(0);
  sleeping_getter getter(ring);
  BOOST_TEST(getter.asleep());
  ring.close();
  BOOST_TEST(!getter.ends()); // with an exception
  BOOST_TEST(getter.gone());
}

BOOST_AUTO_TEST_CASE(the_one_that_was_woken_is_killed) {
  for (int round = 0; round != 10; ++round) {
    ring_type ring(0);
    sleeping_getter first(ring), second(ring);
    BOOST_TEST((first.asleep() && second.asleep()));
    // It can't act on the wake-up any more when the item comes.
    first.process().signal(SIGSTOP);
    BOOST_TEST(soon([&] { return process_state_of(first.pid()) == 'T'; }));
    put(ring, std::uint64_t{1});
    BOOST_TEST(second.ends());
    first.process().signal(SIGKILL);
    check_works(ring, {});
  }
}

// Stopped processes.

class stopping_sink final : public coproc::detail::item_sink {
public:
  void take(std::span<const std::byte> from) override {
    ::raise(SIGSTOP); // holds the getters' lock
    bytes.assign(from.begin(), from.end());
  }
  std::vector<std::byte> bytes;
};

BOOST_AUTO_TEST_CASE(a_stopped_process_delays_and_no_more) {
  for (int ending : {SIGCONT, SIGKILL}) {
    auto ring = with_items(3);
    forked stopped([&] {
      stopping_sink sink;
      ring->get(sink, never);
    });
    BOOST_TEST(soon([&] { return process_state_of(stopped.pid()) == 'T'; }));
    BOOST_TEST(ring->size() == 3u);
    byte_sink sink;
    BOOST_TEST((ring->try_get(sink, ring_type::dont_sleep) == ring_result::busy));
    BOOST_TEST((ring->arm(ring_gate::room) == ring_result::busy));
    const auto before = std::chrono::steady_clock::now();
    BOOST_TEST((ring->get(sink, in(30ms)) == ring_result::not_yet));
    BOOST_TEST((std::chrono::steady_clock::now() - before >= 30ms));
    put(*ring, std::uint64_t{3}); // the other side is free
    stopped.signal(ending);
    BOOST_TEST((stopped.wait() == 0) == (ending == SIGCONT));
    check_works(*ring, ending == SIGCONT ? std::vector<std::uint64_t>{1, 2, 3}
                                         : std::vector<std::uint64_t>{0, 1, 2, 3});
  }
}

// Kills at random. Producers put numbered items, consumers note each in a table of their own shared memory.

struct noted {
  std::uint32_t producer; // which life of a producer
  std::uint32_t number;
};

class chaos {
public:
  chaos(std::ptrdiff_t maxsize, unsigned seed) : ring_(maxsize), random_(seed) {
    got_ = static_cast<std::uint8_t*>(
        ::mmap(nullptr, lives * items, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    put_ = static_cast<std::uint32_t*>(::mmap(nullptr, lives * sizeof(std::uint32_t), PROT_READ | PROT_WRITE,
                                              MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    bad_ = put_ + lives - 1;
  }
  chaos(const chaos&) = delete;
  ~chaos() {
    ::munmap(got_, lives * items);
    ::munmap(put_, lives * sizeof(std::uint32_t));
  }

  void run(std::chrono::milliseconds time) {
    std::vector<forked> producers, consumers;
    for (int i = 0; i != 3; ++i) {
      producers.push_back(producer());
      consumers.push_back(consumer());
    }
    const auto end = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < end && next_life_ < lives - 10) {
      std::this_thread::sleep_for(std::chrono::microseconds(random_() % 3000));
      const std::size_t which = random_() % 3;
      if (random_() % 8 == 0) { // some are stopped for a while
        (random_() % 2 ? producers : consumers)[which].signal(SIGSTOP);
        std::this_thread::sleep_for(std::chrono::microseconds(random_() % 2000));
        for (auto& one : producers) one.signal(SIGCONT);
        for (auto& one : consumers) one.signal(SIGCONT);
      } else if (random_() % 2) {
        producers[which].kill();
        ++killed_producers_;
        producers[which] = producer();
      } else {
        consumers[which].kill();
        ++killed_consumers_;
        consumers[which] = consumer();
      }
    }
    for (auto& one : producers) one.kill();
    // The consumers find out about everything that is left, with no help.
    BOOST_TEST(soon([&] { return ring_.size() == 0; }));
    ring_.close();
    for (auto& one : consumers) BOOST_TEST(one.ended_well());
    check();
  }

private:
  static constexpr std::size_t lives = 60'000;
  static constexpr std::size_t items = 2000; // in a life, at most

  forked producer() {
    const auto life = static_cast<std::uint32_t>(next_life_++);
    return forked([this, life] {
      std::mt19937 random(life);
      for (std::uint32_t i = 0; i != items; ++i) {
        const noted head{life, i};
        auto item = stamped::make(random() % 50 == 0 ? random() % 200'000 : random() % 100, life + i);
        const auto bytes = bytes_of(head);
        item.insert(item.begin(), bytes.begin(), bytes.end());
        if (!is_done(ring_.put(item, never))) return;
        put_[life] = i + 1; // what it says it has put is in the queue
      }
      for (;;) ::pause();
    });
  }

  forked consumer() {
    return forked([this] {
      byte_sink sink;
      while (is_done(ring_.get(sink, never))) {
        noted head;
        bool good = sink.bytes.size() >= sizeof head;
        if (good) {
          std::memcpy(&head, sink.bytes.data(), sizeof head);
          good = head.producer < lives && head.number < items &&
                 stamped::is(std::span(sink.bytes).subspan(sizeof head), head.producer + head.number) &&
                 got_[head.producer * items + head.number]++ == 0;
        }
        if (!good) __atomic_fetch_add(bad_, 1u, __ATOMIC_RELAXED);
      }
    });
  }

  void check() {
    std::size_t missing = 0, total = 0;
    for (std::size_t life = 0; life != next_life_; ++life)
      for (std::size_t i = 0; i != put_[life]; ++i, ++total)
        if (got_[life * items + i] == 0) ++missing;
    BOOST_TEST(*bad_ == 0u, "torn or doubled");
    BOOST_TEST(missing <= killed_consumers_);
    BOOST_TEST(total > 0u);
    BOOST_TEST_MESSAGE(total << " items, " << killed_producers_ << " producers and " << killed_consumers_
                             << " consumers killed, " << missing << " items gone");
    ring_memory memory(ring_);
    BOOST_TEST(memory.size_now() < 1'000'000'000u);
  }

  ring_type ring_;
  std::mt19937 random_;
  std::size_t next_life_ = 0, killed_producers_ = 0, killed_consumers_ = 0;
  std::uint8_t* got_;
  std::uint32_t* put_;
  std::uint32_t* bad_;
};

BOOST_AUTO_TEST_CASE(killed_at_random) {
  const auto seconds = scale_from_environment("COPROC_CHAOS_SECONDS", sanitized ? 6 : 60);
  std::random_device seed;
  for (std::ptrdiff_t maxsize : {0, 1, 20}) {
    const unsigned number = seed();
    BOOST_TEST_INFO_SCOPE("maxsize " << maxsize << " seed " << number);
    chaos(maxsize, number).run(std::chrono::milliseconds(seconds * 1000 / 3));
  }
}

BOOST_AUTO_TEST_SUITE_END()
