// Many threads and many processes at one ring.
#include "ipc/shared_ring.hpp"

#include "ipc/ring_support.hpp"
#include "support/co_test.hpp"
#include "support/forked.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <stdexcept>
#include <thread>
#include <vector>

using namespace coproc::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(shared_ring_traffic)

using coproc::detail::ring_result;
using ring_type = coproc::detail::shared_ring;

struct numbered {
  std::uint32_t producer;
  std::uint32_t number;
};

/// That each producer's items come in order, as one consumer sees them. @returns the sum of what came.
std::uint64_t consume(ring_type& ring, std::size_t producers) {
  std::vector<std::int64_t> last(producers, -1);
  std::uint64_t sum = 0;
  byte_sink sink;
  while (ring.get(sink, never) == ring_result::done) {
    numbered got;
    if (sink.bytes.size() < sizeof got) throw std::runtime_error("torn");
    std::memcpy(&got, sink.bytes.data(), sizeof got);
    if (got.number <= last.at(got.producer)) throw std::runtime_error("out of order");
    last[got.producer] = got.number;
    if (!stamped::is(std::span(sink.bytes).subspan(sizeof got), got.number)) throw std::runtime_error("torn");
    sum += got.number;
  }
  return sum;
}

void produce(ring_type& ring, std::uint32_t id, std::uint32_t count) {
  std::mt19937 random(id);
  for (std::uint32_t i = 0; i != count; ++i) {
    const numbered head{id, i};
    auto item = stamped::make(random() % 100 == 0 ? random() % 100'000 : random() % 60, i);
    const auto bytes = bytes_of(head);
    item.insert(item.begin(), bytes.begin(), bytes.end());
    if (!is_done(ring.put(item, never))) throw std::runtime_error("closed");
  }
}

void many_threads(std::ptrdiff_t maxsize) {
  ring_type ring(maxsize);
  const std::uint32_t count = sanitized ? 2'000 : 20'000, producers = 4;
  std::atomic<std::uint64_t> sum{0};
  std::atomic<int> failures{0};
  std::vector<std::thread> consuming, producing;
  const auto guarded = [&](auto function) {
    return [&failures, function] {
      try {
        function();
      } catch (...) {
        ++failures;
      }
    };
  };
  for (int i = 0; i != 4; ++i) consuming.emplace_back(guarded([&] { sum += consume(ring, producers); }));
  for (std::uint32_t i = 0; i != producers; ++i)
    producing.emplace_back(guarded([&ring, i] { produce(ring, i, count); }));
  for (auto& thread : producing) thread.join();
  ring.close();
  for (auto& thread : consuming) thread.join();
  BOOST_TEST(failures == 0);
  BOOST_TEST(sum == std::uint64_t(producers) * count * (count - 1) / 2);
}

BOOST_AUTO_TEST_CASE(many_threads_unbounded) { many_threads(0); }
BOOST_AUTO_TEST_CASE(many_threads_bounded) { many_threads(7); }
BOOST_AUTO_TEST_CASE(many_threads_one_item) { many_threads(1); }

void many_processes(std::ptrdiff_t maxsize) {
  ring_type ring(maxsize), results(0);
  const std::uint32_t count = 20'000, producers = 4;
  std::vector<forked> consuming, producing;
  for (int i = 0; i != 4; ++i)
    consuming.emplace_back([&] {
      const std::uint64_t sum = consume(ring, producers);
      put(results, sum);
    });
  for (std::uint32_t i = 0; i != producers; ++i)
    producing.emplace_back([&ring, i] { produce(ring, i, count); });
  for (auto& one : producing) BOOST_TEST(one.ended_well());
  ring.close();
  for (auto& one : consuming) BOOST_TEST(one.ended_well());
  std::uint64_t sum = 0;
  while (results.size() != 0) sum += get<std::uint64_t>(results);
  BOOST_TEST(sum == std::uint64_t(producers) * count * (count - 1) / 2);
}

BOOST_AUTO_TEST_CASE(many_processes_unbounded) { many_processes(0); }
BOOST_AUTO_TEST_CASE(many_processes_bounded) { many_processes(10); }
BOOST_AUTO_TEST_CASE(many_processes_one_item) { many_processes(1); }

BOOST_AUTO_TEST_SUITE_END()
