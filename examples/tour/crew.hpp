#pragma once

#include <coproc/command.hpp>
#include <coproc/completed.hpp>
#include <coproc/duration.hpp>
#include <coproc/exit_status.hpp>
#include <coproc/pipeline.hpp>
#include <coproc/resource_usage.hpp>
#include <coproc/semaphore.hpp>

#include <asio/awaitable.hpp>

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace tour {

/// Runs the tour's programs, only so many of them at once, and keeps the books.
class crew {
public:
  struct entry {
    std::string what; ///< What ran, for people.
    coproc::duration elapsed{};
    coproc::duration cpu{};
  };

  /// @param size the most programs (a pipeline counts as one) that run at the same time.
  explicit crew(std::size_t size) : size_(size), places_(size) {}

  /// coproc::run(), as soon as there is a place.
  asio::awaitable<coproc::completed> run(std::string what, coproc::command program);
  asio::awaitable<coproc::completed> run(std::string what, coproc::pipeline stages); ///< As above.

  /// Runs a program and hands each of its records to @p take as it comes, without the @p terminator.
  asio::awaitable<coproc::exit_status> stream(std::string what, coproc::command program, char terminator,
                                              std::function<void(std::string_view)> take);

  std::size_t size() const { return size_; }
  const std::vector<entry>& entries() const { return entries_; }

private:
  void note(std::string what, coproc::duration elapsed, const coproc::resource_usage& usage);

  std::size_t size_;
  coproc::semaphore places_;
  std::vector<entry> entries_;
};

} // namespace tour
