// A tour of coproc on real input: inspects a directory of header files with the system's own programs, as
// many at the same time as there are CPUs, and checks each result against a single shell pipeline.
//
//     tour [--jobs N] [DIRECTORY]        N: the CPUs; DIRECTORY: /usr/include
//
// Exit code: 0 if the shell agrees with every result, 1 if it does not or a program fails, 2 for a wrong
// command line, 130 after Ctrl-C (all programs have been stopped then).
//
// Where to look: files.cpp streams find's output; gather.cpp runs programs and pipelines, with input and
// streamed lines; crew.cpp caps them and keeps the books; words.cpp runs a C++ function in child processes,
// by a pool, and hears of its progress through a shared queue; misbehave.cpp meets a timeout and a missing
// program.

#include "crew.hpp"
#include "files.hpp"
#include "findings.hpp"
#include "gather.hpp"
#include "misbehave.hpp"
#include "progress.hpp"
#include "report.hpp"
#include "shell.hpp"
#include "words.hpp"

#include <coproc/run_main.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace {

using clock_type = std::chrono::steady_clock;

struct options {
  std::string directory = "/usr/include";
  std::size_t jobs = std::max(1U, std::thread::hardware_concurrency());
};

std::optional<options> parse(const std::vector<std::string>& arguments) {
  options chosen;
  bool directory_given = false;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const std::string& each = arguments[i];
    if (each == "--jobs" && i + 1 != arguments.size()) {
      const std::string& number = arguments[++i];
      const char* const end = number.data() + number.size();
      const auto [rest, error] = std::from_chars(number.data(), end, chosen.jobs);
      if (error != std::errc() || rest != end || chosen.jobs == 0) return std::nullopt;
    } else if (!directory_given && !each.starts_with('-')) {
      chosen.directory = each;
      directory_given = true;
    } else {
      return std::nullopt;
    }
  }
  return chosen;
}

// Asks the shell about each finding, and adds up how long it takes for that.
asio::awaitable<bool> compare(const std::vector<tour::finding>& findings, std::string directory,
                              const tour::report& report, coproc::duration& elapsed) {
  bool agrees = true;
  for (const tour::finding& each : findings) {
    report.asking(each);
    const tour::verdict shell = co_await tour::ask_shell(each, directory);
    report.line(each, shell);
    agrees = agrees && shell.agrees;
    elapsed += shell.elapsed;
  }
  co_return agrees;
}

asio::awaitable<int> amain(std::vector<std::string> arguments) {
  const std::optional<options> chosen = parse(arguments);
  if (!chosen) {
    std::cerr << "usage: tour [--jobs N] [DIRECTORY]\n";
    co_return 2;
  }
  std::error_code error;
  if (!std::filesystem::is_directory(chosen->directory, error)) {
    std::cerr << "tour: " << chosen->directory << " is no directory\n";
    co_return 2;
  }

  tour::crew crew(chosen->jobs);
  std::optional<tour::progress> progress(std::in_place);
  const tour::report report(progress->on_terminal());

  const auto start = clock_type::now();
  const auto files = co_await tour::list_files(chosen->directory, crew, *progress);
  progress->listed_all(files.size());
  tour::results results = co_await tour::gather(files, crew, *progress);
  results.words = co_await tour::count_words(files, chosen->jobs, *progress);
  const coproc::duration ours = clock_type::now() - start;
  progress.reset(); // its line goes, the report comes

  report.headline(chosen->directory);
  const auto findings = tour::findings_of(files, results);
  coproc::duration shells{}, others{};
  const bool agrees = co_await compare(findings, chosen->directory, report, shells);
  const auto misbehaviour = co_await tour::misbehave(files);
  const bool behaves = co_await compare(misbehaviour, chosen->directory, report, others);
  report.footer(crew, ours, shells);
  co_return (agrees && behaves) ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
