#include "text.hpp"

#include <array>
#include <chrono>
#include <cstdio>

namespace tour {

std::string grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, 1, ',');
  return digits;
}

std::string counted(std::uint64_t number, std::string_view noun) {
  return grouped(number) + ' ' + std::string(noun) + (number == 1 ? "" : "s");
}

std::string readable_bytes(std::uint64_t bytes) {
  if (bytes < 1000) return counted(bytes, "byte");
  double size = static_cast<double>(bytes);
  constexpr std::array units = {" kB", " MB", " GB", " TB"};
  std::size_t unit = 0;
  // 999.95 would be shown as 1000.0
  for (size /= 1000; size >= 999.95 && unit + 1 != units.size(); size /= 1000) ++unit;
  return decimal(size, 1) + units[unit];
}

std::string seconds(coproc::duration time) {
  return decimal(std::chrono::duration<double>(time).count(), 2) + " s";
}

std::string decimal(double ratio, int decimals) {
  std::array<char, 64> text{};
  const int size = std::snprintf(text.data(), text.size(), "%.*f", decimals, ratio);
  return {text.data(), static_cast<std::size_t>(size)};
}

std::string padded_left(std::string text, std::size_t width) {
  if (text.size() < width) text.insert(0, width - text.size(), ' ');
  return text;
}

std::string padded_right(std::string text, std::size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

std::string printable(std::string_view name) {
  std::string shown(name);
  for (char& c : shown)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return shown;
}

std::vector<std::string_view> split(std::string_view text, char terminator) {
  std::vector<std::string_view> records;
  while (!text.empty()) {
    const std::size_t end = text.find(terminator);
    records.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return records;
}

} // namespace tour
