#include "gather.hpp"

#include "all.hpp"
#include "crew.hpp"
#include "progress.hpp"
#include "text.hpp"
#include "tool.hpp"

#include <stdexcept>
#include <string_view>

namespace tour {

namespace {

// All jobs run on one loop, so what they bring home needs no lock.
struct context {
  crew& people;
  progress& shown;
  results& found;
};

coproc::command with_files(coproc::command program, batch files) {
  for (const file& each : files) program.arg(each.path);
  return program;
}

std::string label(std::string program, batch files) { return program + ", " + counted(files.size(), "file"); }

asio::awaitable<void> checksums(batch files, context use) {
  // -z: records end in NUL, and strange names are not escaped.
  coproc::command sha256sum = with_files(tool("sha256sum", "-z", "--"), files).check();
  coproc::completed done = co_await use.people.run(label("sha256sum", files), std::move(sha256sum));
  const auto records = split(done.out, '\0');
  if (records.size() != files.size()) throw std::runtime_error("sha256sum: unexpected output");
  for (std::size_t i = 0; i != files.size(); ++i)
    use.found.sums.emplace_back(records[i].substr(0, 64), files[i].size);
  use.shown.step("checksums");
}

asio::awaitable<void> compress(batch files, context use) {
  coproc::pipeline stages = with_files(tool("gzip", "-1", "-n", "-c", "--"), files) | tool("wc", "-c");
  coproc::completed done = co_await use.people.run(label("gzip | wc", files), std::move(stages.check()));
  use.found.compressed += std::stoull(done.out);
  use.shown.step("compression");
}

asio::awaitable<void> count_includes(batch files, context use) {
  coproc::command grep = with_files(tool("grep", "-ahoE", "-e", include_pattern, "--"), files);
  auto take = [&includes = use.found.includes](std::string_view line) {
    ++includes[std::string(line.substr(line.rfind('<')))];
  };
  coproc::exit_status status = co_await use.people.stream(label("grep", files), std::move(grep), '\n', take);
  if (status.returncode() != 0 && status.returncode() != 1) // 1: no line matched
    throw std::runtime_error("grep " + status.to_string());
  use.shown.step("includes");
}

asio::awaitable<void> count_lines(batch files, context use) {
  // More names than fit on a command line; xargs divides them.
  coproc::pipeline stages = tool("xargs", "-0", "-r", "cat", "--").input(names_of(files)) | tool("wc", "-l");
  coproc::completed done = co_await use.people.run(label("cat | wc", files), std::move(stages.check()));
  use.found.lines = std::stoull(done.out);
  use.shown.step("lines");
}

asio::awaitable<void> find_repeated(context use) {
  std::string sums;
  for (const auto& [sum, size] : use.found.sums) sums += sum + '\n';
  coproc::pipeline stages = tool("sort").input(std::move(sums)) | tool("uniq", "-d");
  coproc::completed done = co_await use.people.run("sort | uniq", std::move(stages.check()));
  use.found.repeated_sums = std::move(done.out);
}

} // namespace

asio::awaitable<results> gather(const std::vector<file>& files, crew& crew, progress& progress) {
  results found;
  const context use{crew, progress, found};
  const std::vector<batch> batches = batches_of(files);
  for (const char* kind : {"compression", "checksums", "includes"}) progress.expect(kind, batches.size());
  progress.expect("lines", 1);

  std::vector<asio::awaitable<void>> jobs;
  jobs.push_back(count_lines(files, use));
  for (const batch each : batches) {
    jobs.push_back(compress(each, use));
    jobs.push_back(checksums(each, use));
    jobs.push_back(count_includes(each, use));
  }
  co_await all(std::move(jobs));
  co_await find_repeated(use);
  co_return found;
}

} // namespace tour
