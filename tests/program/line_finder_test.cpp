// Where lines end, in a buffer that grows behind while they leave it in front: beside a search from scratch.
#include "program/line_finder.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstddef>
#include <random>
#include <string>

BOOST_AUTO_TEST_SUITE(line_finder)

using finder = coproc::detail::line_finder;

/// Feeds @p text in pieces of @p piece bytes, and takes the lines as they are found.
void check(const std::string& text, std::size_t piece) {
  finder lines;
  std::string buffer;
  for (std::size_t fed = 0; fed < text.size(); fed += piece) {
    buffer.append(text, fed, piece);
    for (;;) {
      const std::size_t expected = buffer.find('\n');
      const std::size_t found = lines.find(buffer.data(), buffer.size());
      BOOST_REQUIRE(found == expected);
      BOOST_REQUIRE(lines.find(buffer.data(), buffer.size()) == expected); // the question changes nothing
      if (found == finder::npos) break;
      lines.pass(found);
      buffer.erase(0, found + 1);
    }
  }
}

BOOST_AUTO_TEST_CASE(lines_of_every_length_in_pieces_of_every_size) {
  for (std::size_t length = 0; length != 140; ++length) {
    std::string text;
    for (int line = 0; line != 20; ++line) text += std::string(length, 'x') + '\n';
    for (std::size_t piece : {1u, 7u, 63u, 64u, 65u, 127u, 128u, 1'000u, 10'000u}) check(text, piece);
  }
}

BOOST_AUTO_TEST_CASE(short_and_long_lines_mixed) {
  std::mt19937 random(20'261'122);
  for (int round = 0; round != 300; ++round) {
    const std::size_t longest = std::size_t(1) << (round % 10);
    std::string text;
    while (text.size() < 4'000)
      text += std::string(random() % (random() % 8 == 0 ? 400 : longest), 'x') + '\n';
    text += std::string(random() % 100, 'x'); // and one that has no end
    check(text, 1 + random() % 500);
  }
}

BOOST_AUTO_TEST_CASE(every_byte_but_one_is_no_end) {
  std::string text;
  for (int byte = 0; byte != 256; ++byte)
    if (byte != '\n') text += static_cast<char>(byte);
  check(text + '\n' + text + text + '\n', 1'000);
}

BOOST_AUTO_TEST_CASE(is_told_of_bytes_that_leave_by_other_ways) {
  finder lines;
  std::string buffer;
  for (int line = 0; line != 20; ++line) buffer += "line\n";
  BOOST_TEST(lines.find(buffer.data(), buffer.size()) == 4u);
  lines.pass(4);
  buffer.erase(0, 5 + 2);
  lines.forget();
  BOOST_TEST(lines.find(buffer.data(), buffer.size()) == 2u);
}

BOOST_AUTO_TEST_SUITE_END()
