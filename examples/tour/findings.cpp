#include "findings.hpp"

#include "text.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <unordered_map>

namespace tour {

namespace {

constexpr std::size_t listed = 5; // of the largest and of the most included files: head -n 5

const std::string find_files = "find -H \"$1\" -type f -readable ";
const std::string each_file = find_files + "-print0 | xargs -0 -r ";

std::string first(std::size_t count, const char* head) { return head + std::to_string(count); }

finding totals(std::string title, std::string summary, std::uint64_t number, std::string shell) {
  return {std::move(title), std::move(summary), {}, std::to_string(number) + '\n', std::move(shell)};
}

finding duplicates(const results& found) {
  struct copies {
    std::uint64_t count = 0, size = 0;
  };
  std::unordered_map<std::string_view, copies> by_sum;
  for (const auto& [sum, size] : found.sums) by_sum[sum] = {by_sum[sum].count + 1, size};

  std::uint64_t superfluous = 0, bytes = 0;
  const auto repeated = split(found.repeated_sums, '\n');
  for (std::string_view sum : repeated) {
    const copies& each = by_sum[sum];
    superfluous += each.count - 1;
    bytes += (each.count - 1) * each.size;
  }
  std::string summary = counted(superfluous, "superfluous file") + " in " + counted(repeated.size(), "set") +
                        ", " + readable_bytes(bytes);
  return {"duplicates",
          std::move(summary),
          {},
          found.repeated_sums,
          each_file + "sha256sum -z -- | cut -z -c 1-64 | tr '\\0' '\\n' | sort | uniq -d"};
}

finding compression(const results& found, std::uint64_t bytes) {
  std::string summary = readable_bytes(bytes) + " to " + readable_bytes(found.compressed);
  if (bytes != 0)
    summary +=
        ", " + decimal(100 * static_cast<double>(found.compressed) / static_cast<double>(bytes), 1) + " %";
  return totals("gzip -1", std::move(summary), found.compressed, each_file + "gzip -1 -n -c -- | wc -c");
}

finding most_included(const results& found) {
  std::vector<std::pair<std::string, std::uint64_t>> headers(found.includes.begin(), found.includes.end());
  std::sort(headers.begin(), headers.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  std::uint64_t lines = 0;
  for (const auto& [header, count] : headers) lines += count;

  finding result{"includes", counted(lines, "line") + ", most often of:", {}, "", ""};
  if (lines == 0) result.summary = "none";
  headers.resize(std::min(listed, headers.size()));
  for (const auto& [header, count] : headers) {
    result.expected += std::to_string(count) + ' ' + header + '\n';
    result.details.push_back(padded_left(grouped(count), 9) + "  " + printable(header));
  }
  result.parameter = include_pattern;
  result.shell = each_file +
                 "grep -ahoE -e \"$2\" -- | sed 's/.*</</' | sort | uniq -c | sort -k1,1nr -k2 | " +
                 first(listed, "head -n ") + " | sed 's/^ *//'";
  return result;
}

finding largest(std::vector<file> files) {
  const std::size_t count = std::min(listed, files.size());
  std::partial_sort(
      files.begin(), files.begin() + static_cast<std::ptrdiff_t>(count), files.end(),
      [](const file& a, const file& b) { return a.size != b.size ? a.size > b.size : a.path < b.path; });
  files.resize(count);

  finding result{"largest", files.empty() ? "none" : readable_bytes(files.front().size), {}, "", ""};
  for (const file& each : files) {
    result.expected += std::to_string(each.size) + ' ' + each.path + '\0';
    result.details.push_back(padded_left(readable_bytes(each.size), 9) + "  " + printable(each.path));
  }
  result.shell = find_files + "-printf '%s %p\\0' | sort -z -k1,1nr -k2 | " + first(listed, "head -z -n ");
  return result;
}

} // namespace

std::vector<finding> findings_of(const std::vector<file>& files, const results& found) {
  std::uint64_t bytes = 0;
  for (const file& each : files) bytes += each.size;

  std::vector<finding> all;
  all.push_back(totals("files", grouped(files.size()), files.size(), find_files + "-printf x | wc -c"));
  all.push_back(totals("bytes", readable_bytes(bytes), bytes, each_file + "cat -- | wc -c"));
  all.push_back(totals("lines", grouped(found.lines), found.lines, each_file + "cat -- | wc -l"));
  // grep, since cat would join the last word of one file to the first of the next.
  all.push_back(totals("words", grouped(found.words), found.words,
                       each_file + "grep -ah '' -- | tr -cs 'A-Za-z0-9_' '[\\n*]' | grep -c . || :"));
  all.push_back(duplicates(found));
  all.push_back(compression(found, bytes));
  all.push_back(most_included(found));
  all.push_back(largest(files));
  return all;
}

} // namespace tour
