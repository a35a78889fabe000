#include "progress.hpp"

#include "text.hpp"

#include <algorithm>
#include <cstdio>

#include <unistd.h>

namespace tour {

namespace {
constexpr const char* erase_line = "\r\033[K";
constexpr std::size_t columns = 79; // a line that wraps can't be erased
} // namespace

progress::progress() : terminal_(isatty(STDOUT_FILENO) == 1) {}

progress::~progress() { draw({}); }

void progress::listed(std::size_t files) {
  if (terminal_ && due()) draw("listing: " + counted(files, "file"));
}

void progress::listed_all(std::size_t files) { say("listed " + counted(files, "file")); }

void progress::expect(std::string kind, std::size_t steps) {
  if (steps != 0) tasks_.push_back({std::move(kind), steps});
  draw(bar());
}

void progress::step(std::string_view kind) {
  const auto found =
      std::find_if(tasks_.begin(), tasks_.end(), [&](const task& each) { return each.kind == kind; });
  if (found == tasks_.end()) return;
  if (++found->done == found->steps)
    say(found->kind + ": done, " + counted(found->steps, "run"));
  else if (terminal_ && due())
    draw(bar());
}

bool progress::due() { return clock::now() - drawn_ >= std::chrono::milliseconds(50); }

std::string progress::bar() const {
  std::size_t steps = 0, done = 0;
  std::string running;
  for (const task& each : tasks_) {
    steps += each.steps;
    done += each.done;
    if (each.done != each.steps)
      running += "  " + each.kind + ' ' + std::to_string(each.done) + '/' + std::to_string(each.steps);
  }
  constexpr std::size_t width = 24;
  const std::size_t filled = steps == 0 ? width : width * done / steps;
  return '[' + std::string(filled, '#') + std::string(width - filled, '.') + ']' + running;
}

void progress::draw(const std::string& line) {
  if (!terminal_) return;
  drawn_ = clock::now();
  std::fputs((erase_line + line.substr(0, columns)).c_str(), stdout);
  std::fflush(stdout);
}

void progress::say(const std::string& line) {
  draw({});
  std::fputs((padded_left(seconds(clock::now() - start_), 8) + "  " + line + '\n').c_str(), stdout);
  std::fflush(stdout);
}

} // namespace tour
