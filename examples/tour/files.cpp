#include "files.hpp"

#include "crew.hpp"
#include "progress.hpp"
#include "tool.hpp"

#include <charconv>
#include <stdexcept>
#include <string_view>

namespace tour {

namespace {

// "4711 path", as -printf '%s %p' writes it.
file parse(std::string_view record) {
  file found;
  const auto [rest, error] = std::from_chars(record.data(), record.data() + record.size(), found.size);
  const auto digits = static_cast<std::size_t>(rest - record.data());
  if (error != std::errc() || digits + 1 >= record.size())
    throw std::runtime_error("find: unexpected output");
  found.path = record.substr(digits + 1);
  return found;
}

} // namespace

asio::awaitable<std::vector<file>> list_files(std::string directory, crew& crew, progress& progress) {
  std::vector<file> files;
  auto take = [&](std::string_view record) {
    files.push_back(parse(record));
    progress.listed(files.size());
  };
  coproc::command find = tool("find", "-H", directory, "-type", "f", "-readable", "-printf", "%s %p\\0");
  // -H: the directory may be named by a symbolic link. find fails if there is a directory that it can't
  // enter: it says so on our stderr, and the tour goes without it.
  co_await crew.stream("find", find, '\0', take);
  co_return files;
}

std::vector<batch> batches_of(const std::vector<file>& files) {
  constexpr std::size_t most_files = 256, most_name_bytes = 64 * 1024;
  constexpr std::uint64_t most_bytes = 4'000'000;

  std::vector<batch> batches;
  std::size_t begin = 0, name_bytes = 0;
  std::uint64_t bytes = 0;
  for (std::size_t at = 0; at != files.size(); ++at) {
    name_bytes += files[at].path.size() + 1;
    bytes += files[at].size;
    const std::size_t count = at + 1 - begin;
    if (at + 1 == files.size() || count == most_files || name_bytes >= most_name_bytes ||
        bytes >= most_bytes) {
      batches.push_back(batch(files).subspan(begin, count));
      begin = at + 1;
      name_bytes = 0;
      bytes = 0;
    }
  }
  return batches;
}

std::string names_of(batch files) {
  std::string names;
  for (const file& each : files) {
    names += each.path;
    names += '\0';
  }
  return names;
}

} // namespace tour
