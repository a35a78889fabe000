#include "report.hpp"

#include "text.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>

namespace tour {

namespace {

constexpr std::size_t title_width = 12, summary_width = 56;

double ratio(coproc::duration a, coproc::duration b) {
  return std::chrono::duration<double>(a) /
         std::max(std::chrono::duration<double>(b), std::chrono::duration<double>(1e-9));
}

std::string beginning(const std::string& text) {
  constexpr std::size_t most = 200;
  return printable(text.substr(0, most)) + (text.size() > most ? "..." : "");
}

} // namespace

report::report(bool on_terminal) : on_terminal_(on_terminal) {
  if (!on_terminal || std::getenv("NO_COLOR") != nullptr) return;
  bold_ = "\033[1m";
  dim_ = "\033[2m";
  good_ = "\033[32m";
  bad_ = "\033[1;31m";
  plain_ = "\033[0m";
}

void report::headline(const std::string& directory) const {
  std::cout << '\n' << bold_ << printable(directory) << plain_ << "\n\n";
}

void report::asking(const finding& found) const {
  if (on_terminal_)
    std::cout << "  " << padded_right(found.title, title_width) << dim_ << "asking the shell" << plain_
              << std::flush;
}

void report::line(const finding& found, const verdict& shell) const {
  if (on_terminal_) std::cout << "\r\033[K";
  std::cout << "  " << padded_right(found.title, title_width) << padded_right(found.summary, summary_width)
            << (shell.agrees ? good_ : bad_) << (shell.agrees ? " agrees" : " DISAGREES") << plain_ << '\n';
  for (const std::string& detail : found.details)
    std::cout << "  " << padded_right("", title_width) << detail << '\n';
  if (!shell.agrees) {
    std::cout << "    the shell line  " << found.shell << "\n    was to print    "
              << beginning(found.expected) << "\n    and printed     " << beginning(shell.printed) << '\n';
    if (!shell.complaint.empty()) std::cout << "    and complained  " << beginning(shell.complaint) << '\n';
  }
  std::cout.flush();
}

void report::footer(const crew& crew, coproc::duration ours, coproc::duration shells) const {
  auto entries = crew.entries();
  coproc::duration busy{}, cpu{};
  for (const auto& each : entries) busy += each.elapsed, cpu += each.cpu;
  const auto last = entries.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(3, entries.size()));
  std::partial_sort(entries.begin(), last, entries.end(),
                    [](const auto& a, const auto& b) { return a.elapsed > b.elapsed; });

  const std::string indent(title_width + 2, ' ');
  std::cout << "\n  " << padded_right("programs", title_width) << counted(entries.size(), "run")
            << ", at most " << crew.size() << " at once; the slowest:\n";
  for (auto each = entries.begin(); each != last; ++each)
    std::cout << indent << padded_left(seconds(each->elapsed), 9) << "  " << each->what << '\n';
  std::cout << "  " << padded_right("time", title_width) << bold_ << seconds(ours) << plain_ << ", with "
            << decimal(ratio(busy, ours), 1) << " programs at a time; CPU used by them: " << seconds(cpu)
            << '\n'
            << indent << seconds(shells) << " for the shell's pipelines, one after the other: " << bold_
            << decimal(ratio(shells, ours), 1) << " times as long" << plain_ << "\n\n";
}

} // namespace tour
