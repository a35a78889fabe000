#include "program/byte_buffer.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <utility>

BOOST_AUTO_TEST_SUITE(byte_buffer)

using coproc::detail::byte_buffer;

/// As a read does it: into the room that there is, the rest behind.
void append(byte_buffer& buffer, const std::string& text) {
  const std::size_t direct = std::min(buffer.room(), text.size());
  std::memcpy(buffer.end(), text.data(), direct);
  buffer.commit(direct);
  buffer.append(text.data() + direct, text.size() - direct);
}

BOOST_AUTO_TEST_CASE(filled_at_the_end_and_consumed_at_the_front) {
  byte_buffer buffer;
  BOOST_TEST(buffer.empty());
  append(buffer, "hello ");
  append(buffer, "world");
  BOOST_TEST(buffer.view() == "hello world");
  buffer.consume(6);
  BOOST_TEST(buffer.view() == "world");
  BOOST_TEST(buffer.size() == 5u);
  buffer.consume(5);
  BOOST_TEST(buffer.empty());
}

BOOST_AUTO_TEST_CASE(what_is_not_committed_is_nothing) {
  byte_buffer buffer;
  append(buffer, std::string(100, 'x') + "a");
  buffer.consume(100);
  buffer.compact(); // there is room now
  BOOST_REQUIRE(buffer.room() >= 100u);
  std::memcpy(buffer.end(), "bcd", 3);
  buffer.commit(1);
  BOOST_TEST(buffer.view() == "ab");
  buffer.append("e", 1);
  BOOST_TEST(buffer.view() == "abe");
}

BOOST_AUTO_TEST_CASE(compacting_changes_the_room_and_not_the_data) {
  byte_buffer buffer;
  append(buffer, std::string(100'000, 'x') + "kept");
  buffer.consume(100'000);
  const std::size_t before = buffer.room();
  buffer.compact();
  BOOST_TEST(buffer.view() == "kept");
  BOOST_TEST(buffer.room() == before + 100'000);
}

BOOST_AUTO_TEST_CASE(truncate_drops_the_end) {
  byte_buffer buffer;
  append(buffer, "xabcdef");
  buffer.consume(1);
  buffer.truncate(3);
  BOOST_TEST(buffer.view() == "abc");
  buffer.truncate(100);
  BOOST_TEST(buffer.view() == "abc");
  append(buffer, "ghi");
  BOOST_TEST(buffer.view() == "abcghi");
  buffer.truncate(0);
  BOOST_TEST(buffer.empty());
}

BOOST_AUTO_TEST_CASE(take_gives_all_and_leaves_nothing) {
  for (std::size_t size : {0u, 1u, 100u, 5000u, 3'000'000u}) {
    byte_buffer buffer;
    append(buffer, "consumed" + std::string(size, 'x'));
    buffer.consume(8);
    std::string all = buffer.take();
    BOOST_TEST((all == std::string(size, 'x')));
    BOOST_TEST(buffer.empty());
    append(buffer, "again");
    BOOST_TEST(buffer.take() == "again");
  }
}

BOOST_AUTO_TEST_CASE(small_result_does_not_keep_a_large_memory) {
  byte_buffer buffer;
  append(buffer, std::string(500'000, 'x') + "small");
  buffer.consume(500'000);
  BOOST_TEST(buffer.take().capacity() < 1000u);
}

/// Bytes that tell where in the whole they are.
void append_numbers(byte_buffer& buffer, std::uint64_t& next, std::size_t count) {
  std::string text(count * sizeof next, '\0');
  for (std::size_t i = 0; i != count; ++i, ++next)
    std::memcpy(text.data() + i * sizeof next, &next, sizeof next);
  buffer.prepare();
  append(buffer, text);
}

bool are_numbers(std::string_view text, std::uint64_t next) {
  for (; text.size() >= sizeof next; text.remove_prefix(sizeof next), ++next)
    if (std::memcmp(text.data(), &next, sizeof next) != 0) return false;
  return text.empty();
}

BOOST_AUTO_TEST_CASE(large_memory_moves_in_steps_and_keeps_the_data) {
  constexpr std::size_t block = (std::size_t(1) << 20) / sizeof(std::uint64_t), all = 600;
  byte_buffer buffer;
  std::uint64_t first = 0, next = 0;
  std::size_t moves_ahead = 0;
  for (std::size_t i = 0; i != all; ++i) {
    const char* before = buffer.data();
    const bool full = buffer.room() < block * sizeof next;
    append_numbers(buffer, next, block);
    if (buffer.data() != before && !full) ++moves_ahead;
    if (i % 5 == 0) { // consumed and dropped, also while it moves
      buffer.consume(sizeof first);
      ++first;
      buffer.truncate(buffer.size() - sizeof next);
      --next;
    }
  }
  BOOST_TEST(moves_ahead == 3u); // to 256, 512 and 1024 MiB
  BOOST_TEST(buffer.size() == (next - first) * sizeof next);
  BOOST_TEST(are_numbers(buffer.view(), first));
  // All gone in the middle of a move.
  while (buffer.room() > (std::size_t(200) << 20)) append_numbers(buffer, next, block);
  buffer.consume(buffer.size());
  first = next;
  append_numbers(buffer, next, block);
  BOOST_TEST(are_numbers(buffer.view(), first));
  BOOST_TEST(are_numbers(buffer.take(), first));
}

BOOST_AUTO_TEST_CASE(large_memory_that_was_emptied_while_it_moves_keeps_nothing) {
  constexpr std::size_t block = (std::size_t(1) << 20) / sizeof(std::uint64_t);
  byte_buffer buffer;
  std::uint64_t next = 0;
  for (int i = 0; i != 110; ++i) append_numbers(buffer, next, block); // 128 MiB begin to move
  buffer.consume(buffer.size());
  const std::uint64_t first = next;
  for (int i = 0; i != 200; ++i) append_numbers(buffer, next, block);
  BOOST_TEST(are_numbers(buffer.view(), first));
}

BOOST_AUTO_TEST_CASE(behaves_as_a_string_does) {
  std::mt19937 random(5);
  byte_buffer buffer;
  std::string model;
  for (int step = 0; step != 20'000; ++step) {
    switch (random() % 5) {
    case 0:
    case 1: {
      std::string text(random() % 3000, static_cast<char>('a' + step % 26));
      append(buffer, text);
      model += text;
      break;
    }
    case 2:
    case 3: {
      std::size_t size = std::min<std::size_t>(random() % 4000, model.size());
      buffer.consume(size);
      model.erase(0, size);
      break;
    }
    default:
      buffer.compact();
      if (random() % 100 == 0) BOOST_REQUIRE((buffer.take() == std::exchange(model, {})));
    }
    BOOST_REQUIRE(buffer.size() == model.size());
    BOOST_REQUIRE(buffer.view() == model);
  }
}

BOOST_AUTO_TEST_SUITE_END()
