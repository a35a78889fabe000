#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tour {

/// Shows how far the tour is: on a terminal in one line that is drawn again and again, otherwise in a plain
/// line for each thing that is done. Removes its line when it is destroyed, so also after a Ctrl-C.
class progress {
public:
  progress();
  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;
  ~progress();

  /// So many files have been found; more may follow.
  void listed(std::size_t files);
  /// The list is complete.
  void listed_all(std::size_t files);

  /// There are @p steps steps of this kind to come.
  void expect(std::string kind, std::size_t steps);
  /// One of them is done.
  void step(std::string_view kind);

  /// @returns whether stdout is a terminal.
  bool on_terminal() const { return terminal_; }

private:
  using clock = std::chrono::steady_clock;
  struct task {
    std::string kind;
    std::size_t steps = 0, done = 0;
  };

  bool due();
  void draw(const std::string& line);
  void say(const std::string& line);
  std::string bar() const;

  bool terminal_;
  clock::time_point start_ = clock::now(), drawn_{};
  std::vector<task> tasks_;
};

} // namespace tour
