// Kills at random. Producers put numbered items, consumers note each in a table of their own shared memory.
//
// COPROC_CHAOS_SECONDS: how long.
#include "ipc/shared_ring.hpp"

#include "ipc/ring_support.hpp"
#include "ipc/shared_ring/sleepers.hpp"
#include "support/co_test.hpp"
#include "support/forked.hpp"

#include <cstdint>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(shared_ring_chaos)

using ring_type = coproc::detail::shared_ring;

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
